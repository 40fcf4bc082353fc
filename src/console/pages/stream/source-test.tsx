/** What would become of a request, down to the rows of each sink. Nothing is stored. */
import { useState } from "react";
import type { Source } from "#gen/tributary/management/v1/source_pb.js";
import type {
  TestSourceResponse_Outcome as Outcome,
  TestSourceResponse,
} from "#gen/tributary/management/v1/source_service_pb.js";
import { faultAt } from "../../api/fault.ts";
import { TextArea, TextField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { Note } from "../../parts/note.tsx";
import { PlainTable } from "../../parts/plain-table.tsx";
import { PreviewedOutcome } from "../sinks/preview-table.tsx";
import { sources } from "./authentications.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The part "Try a request". */
export function SourceTest({ source: { name } }: { readonly source: Source }) {
  const [body, setBody] = useState("{}");
  const [contentType, setContentType] = useState("application/json");
  const [address, setAddress] = useState("");
  const [answer, setAnswer] = useState<TestSourceResponse>();
  const submit = useSubmit(async () => {
    setAnswer(undefined);
    setAnswer(await sources.testSource({ name, body: encoder.encode(body), contentType, address }));
  });
  return (
    <section className="card stack" aria-labelledby="source-test">
      <h2 id="source-test">Try a request</h2>
      <p>Nothing is stored or delivered, and no credential is needed.</p>
      <Form submit={submit} label="Try it">
        <TextArea
          label="Body"
          isCode
          rows={6}
          value={body}
          onChange={setBody}
          fault={faultAt(submit.faults, "body")}
        />
        <div className="row">
          <TextField
            label="Content type"
            optional
            value={contentType}
            onChange={setContentType}
            fault={faultAt(submit.faults, "content_type")}
          />
          <TextField
            label="Address of the sender"
            optional
            hint="Checked against the allowed addresses."
            value={address}
            onChange={setAddress}
            fault={faultAt(submit.faults, "address")}
          />
        </div>
      </Form>
      <div role="status">
        {answer && (
          <Note kind={answer.ok ? "good" : "warn"}>
            {answer.ok
              ? `The request would be answered with 200: ${answer.outcomes.length} records.`
              : `The request would be refused: ${answer.error || "see its records"}`}
          </Note>
        )}
      </div>
      {answer && answer.outcomes.length > 0 && <Outcomes outcomes={answer.outcomes} />}
    </section>
  );
}

function Outcomes({ outcomes }: { readonly outcomes: readonly Outcome[] }) {
  return (
    <PlainTable titles={["Record", "What becomes of it", "Rows of the sinks"]}>
      {outcomes.map(({ content, producerId, error, rows }, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: records stand in the order of the request
        <tr key={at}>
          <td>
            <code>{decoder.decode(content)}</code>
          </td>
          <td>
            {error ? <span className="fault">{error}</span> : "stored"}
            {producerId && <p className="quiet">id {producerId}</p>}
          </td>
          <td>
            {rows.map(({ sink, row }) => (
              <p key={sink}>
                {sink.slice(sink.lastIndexOf("/") + 1)}: <PreviewedOutcome row={row} />
              </p>
            ))}
          </td>
        </tr>
      ))}
    </PlainTable>
  );
}
