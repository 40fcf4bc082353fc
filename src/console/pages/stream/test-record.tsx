/** "Test with JSON": pushes a record from the page. */
import { createClient } from "@connectrpc/connect";
import { useState } from "react";
import type { Stream } from "#gen/tributary/management/v1/stream_pb.js";
import { PushService } from "#gen/tributary/push/v1/push_service_pb.js";
import { fittingRecord } from "../../api/field-types.ts";
import { transport } from "../../api/transport.ts";
import { TextArea } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";

const pushes = createClient(PushService, transport);

/** A card that opens, prefilled with a record that fits. */
export function TestRecord(props: { readonly stream: Stream; readonly branch: string }) {
  const { stream, branch } = props;
  const prefilled = () =>
    JSON.stringify(fittingRecord(stream.schema?.fields ?? [], new Date()), null, 2);
  const [json, setJson] = useState(prefilled);
  const [done, setDone] = useState("");
  const submit = useSubmit(async () => {
    setDone("");
    const payload = { case: "json" as const, value: new TextEncoder().encode(json) };
    const answer = await pushes.push({
      stream: stream.name,
      branch,
      records: [{ payload }],
      idempotencyKey: crypto.randomUUID(),
    });
    setDone(`Accepted: ${answer.accepted} record at ${answer.firstPlace}.`);
  });
  return (
    <details className="card">
      <summary>Test with JSON</summary>
      <Form
        submit={submit}
        label="Push the record"
        beside={
          <button type="button" onClick={() => setJson(prefilled())}>
            Fill in again
          </button>
        }
      >
        <TextArea
          label="Record"
          rows={8}
          isCode
          value={json}
          onChange={setJson}
          fault={
            submit.faults.map((each) => `${each.field}: ${each.description}`).join("; ") ||
            undefined
          }
        />
        <p role="status">{done}</p>
      </Form>
    </details>
  );
}
