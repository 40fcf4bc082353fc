/** Chooses which records to deliver again, says how many they are, and starts. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Replay, ReplaySelectionSchema } from "#gen/tributary/management/v1/replay_pb.js";
import { ReplayService } from "#gen/tributary/management/v1/replay_service_pb.js";
import { type FieldFault, faultAt } from "../../api/fault.ts";
import { timestampOf } from "../../api/local-time.ts";
import { transport } from "../../api/transport.ts";
import { SelectField, TextArea, TextField } from "../../parts/field.tsx";
import { ActionButton, Form, useSubmit } from "../../parts/form.tsx";
import { Note } from "../../parts/note.tsx";

const replays = createClient(ReplayService, transport);

type Selection = MessageInitShape<typeof ReplaySelectionSchema>;
type By = "times" | "sequences" | "ids";

const CHOICES: readonly (readonly [By, string])[] = [
  ["times", "Of a time"],
  ["sequences", "Of a range of sequences"],
  ["ids", "One by one, by their ids"],
];

/** The form: first the records are counted, then they may go. */
export function ReplayForm({ sink }: { readonly sink: string }) {
  const queries = useQueryClient();
  const [by, setBy] = useState<By>("times");
  const [first, setFirst] = useState("");
  const [last, setLast] = useState("");
  const [counted, setCounted] = useState<Replay>();
  const change = (set: (text: string) => void) => (text: string) => {
    set(text);
    setCounted(undefined);
  };
  const run = async (validateOnly: boolean) => {
    const selection = readSelection(by, first, last);
    return await replays.createReplay({ parent: sink, selection, validateOnly });
  };
  const count = useSubmit(async () => setCounted((await run(true)).replay));
  return (
    <section className="card stack" aria-labelledby="replay-title">
      <h2 id="replay-title">Deliver records again</h2>
      <p>
        Live traffic goes first, and the counts of the sink stay as they are. Each record keeps its
        id, so a destination that knows ids takes it once.
      </p>
      <Form submit={count} label="Count the records">
        <SelectField
          label="Which records"
          value={by}
          choices={CHOICES}
          onChange={(next) => {
            setBy(next);
            change(setFirst)("");
            change(setLast)("");
          }}
        />
        <Range
          by={by}
          first={first}
          last={last}
          onFirst={change(setFirst)}
          onLast={change(setLast)}
          faults={count.faults}
        />
      </Form>
      <div role="status">
        {counted && (
          <Note>
            {counted.selectedExact ? "" : "More than "}
            {counted.selected.toLocaleString()} records would be delivered again.
          </Note>
        )}
      </div>
      {counted && counted.selected > 0n && (
        <div>
          <ActionButton
            label="Start the replay"
            className="primary"
            call={async () => {
              await run(false);
              setCounted(undefined);
              await queries.invalidateQueries();
            }}
          />
        </div>
      )}
    </section>
  );
}

function Range(props: {
  readonly by: By;
  readonly first: string;
  readonly last: string;
  readonly onFirst: (text: string) => void;
  readonly onLast: (text: string) => void;
  readonly faults: readonly FieldFault[];
}) {
  const { by, first, last, onFirst, onLast, faults } = props;
  const fault = (name: string) => faultAt(faults, `selection.${name}`);
  if (by === "ids") {
    return (
      <TextArea
        label="Ids of the records"
        hint="One a line."
        isCode
        value={first}
        onChange={onFirst}
        fault={fault("ids.record_ids") ?? fault("ids")}
      />
    );
  }
  const type = by === "times" ? "datetime-local" : "text";
  const names = by === "times" ? ["start", "end"] : ["first", "last"];
  return (
    <div className="row">
      <TextField
        label={by === "times" ? "Stored since" : "First sequence"}
        optional
        type={type}
        value={first}
        onChange={onFirst}
        fault={fault(`${by}.${names[0]}`)}
      />
      <TextField
        label={by === "times" ? "Stored before" : "Last sequence"}
        optional
        type={type}
        value={last}
        onChange={onLast}
        fault={fault(`${by}.${names[1]}`)}
      />
    </div>
  );
}

function readSelection(by: By, first: string, last: string): Selection {
  if (by === "ids") {
    const recordIds = first.split(/\s+/).filter(Boolean);
    return { records: { case: "ids", value: { recordIds } } };
  }
  if (by === "sequences") {
    const value = { first: readSequence(first), last: readSequence(last) };
    return { records: { case: "sequences", value } };
  }
  const start = timestampOf(first);
  const end = timestampOf(last);
  const value = { ...(start && { start }), ...(end && { end }) };
  return { records: { case: "times", value } };
}

function readSequence(text: string): bigint {
  if (text.trim() === "") return 0n;
  if (!/^\d{1,18}$/.test(text.trim())) throw new Error(`“${text}” is no whole number`);
  return BigInt(text.trim());
}
