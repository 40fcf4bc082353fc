/** Where a new sink begins in the log. */
import type { JsonObject } from "@bufbuild/protobuf";
import { type FieldFault, faultAt } from "../../api/fault.ts";
import { SelectField, TextField } from "../../parts/field.tsx";

type At = "LATEST" | "EARLIEST" | "time" | "sequence";

const CHOICES: readonly (readonly [At, string])[] = [
  ["LATEST", "With what is pushed from now on; earlier records are not delivered"],
  ["EARLIEST", "With the oldest record that is stored"],
  ["time", "With the first record accepted at a time or later"],
  ["sequence", "With a sequence of the log, the first number of a record's place"],
];

/** What was chosen, as it was typed. */
export interface StartInput {
  readonly at: At;
  readonly text: string;
}

/** What a new form begins with. */
export const LATEST: StartInput = { at: "LATEST", text: "" };

/** The choice, and the input that it needs. */
export function StartField(props: {
  readonly value: StartInput;
  readonly onChange: (value: StartInput) => void;
  readonly faults: readonly FieldFault[];
}) {
  const { value, onChange, faults } = props;
  const { at, text } = value;
  return (
    <div className="row">
      <SelectField
        label="Begin"
        value={at}
        choices={CHOICES}
        onChange={(next) => onChange({ at: next, text: "" })}
        fault={faultAt(faults, "sink.start") ?? faultAt(faults, "sink.start.position")}
      />
      {at === "time" && (
        <TextField
          label="First time"
          type="datetime-local"
          hint="In your zone."
          value={text}
          onChange={(next) => onChange({ at, text: next })}
          fault={faultAt(faults, "sink.start.time")}
        />
      )}
      {at === "sequence" && (
        <TextField
          label="First sequence"
          value={text}
          onChange={(next) => onChange({ at, text: next })}
          fault={faultAt(faults, "sink.start.sequence")}
        />
      )}
    </div>
  );
}

/** As calls take it. Throws an Error that says what is missing. */
export function startJson({ at, text }: StartInput): JsonObject {
  if (at === "sequence") {
    if (!/^[1-9]\d{0,15}$/.test(text.trim())) throw new Error("Give a first sequence, from 1 on");
    return { sequence: text.trim() };
  }
  if (at === "time") {
    const date = new Date(text);
    if (Number.isNaN(date.getTime())) throw new Error("Give the first time with its date");
    return { time: date.toISOString() };
  }
  return { position: at };
}
