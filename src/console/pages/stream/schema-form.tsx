/** Changes the schema of a stream by hand. */
import { create } from "@bufbuild/protobuf";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { SchemaSchema, type Stream } from "#gen/tributary/management/v1/stream_pb.js";
import { Form, useSubmit } from "../../parts/form.tsx";
import { FieldRows } from "./field-rows.tsx";
import { streams } from "./stream-draft.ts";

/** A card that opens. Keys are settled elsewhere: a change of them opens a new generation. */
export function SchemaForm({ stream }: { readonly stream: Stream }) {
  const queries = useQueryClient();
  const [fields, setFields] = useState(stream.schema?.fields ?? []);
  const submit = useSubmit(async () => {
    const schema = create(SchemaSchema, { ...stream.schema, fields });
    const { name, etag } = stream;
    await streams.updateStream({
      stream: { name, etag, schema },
      updateMask: { paths: ["schema"] },
    });
    await queries.invalidateQueries();
  });
  return (
    <details>
      <summary>Edit the fields</summary>
      <Form submit={submit} label="Save the schema">
        <FieldRows
          fields={fields}
          onChange={setFields}
          path="stream.schema.fields"
          faults={submit.faults}
        />
      </Form>
    </details>
  );
}
