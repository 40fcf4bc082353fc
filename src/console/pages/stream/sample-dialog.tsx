/** Makes a schema of a pasted sample. */
import { useState } from "react";
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { faultAt } from "../../api/fault.ts";
import { Dialog } from "../../parts/dialog.tsx";
import { TextArea } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { streams } from "./stream-draft.ts";

/** Asks for records as JSON and gives the schema in which all of them fit. */
export function SampleDialog(props: {
  readonly project: string;
  readonly onSchema: (schema: Schema, notes: readonly string[]) => void;
  readonly onClose: () => void;
}) {
  const [sample, setSample] = useState("");
  const submit = useSubmit(async () => {
    const answer = await streams.inferSchema({ parent: props.project, samples: [sample] });
    if (answer.schema) props.onSchema(answer.schema, answer.notes);
    props.onClose();
  });
  return (
    <Dialog title="Generate from a JSON sample" onClose={props.onClose}>
      <Form
        submit={submit}
        label="Generate fields"
        beside={
          <button type="button" onClick={props.onClose}>
            Cancel
          </button>
        }
      >
        <TextArea
          label="Records"
          hint="One JSON object, an array of objects, or one object a line. Several records give a better schema."
          rows={10}
          isCode
          value={sample}
          onChange={setSample}
          fault={faultAt(submit.faults, "samples[0]") ?? faultAt(submit.faults, "samples")}
        />
      </Form>
    </Dialog>
  );
}
