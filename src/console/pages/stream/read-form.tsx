/** Which records of a stream to read: from where, of which key, with which values. */
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useState } from "react";
import type { Stream } from "#gen/tributary/management/v1/stream_pb.js";
import { keyJson } from "../../api/record-json.ts";
import { SelectField, TextField } from "../../parts/field.tsx";

/** Where to begin. */
export type ReadStart =
  | { readonly case: "end" | "first" }
  | { readonly case: "time"; readonly value: Date }
  | { readonly case: "sequence"; readonly value: bigint };

/** What is read. */
export interface Reading {
  readonly start: ReadStart;
  /** The key as JSON text; empty for all. */
  readonly key: string;
  readonly filter: string;
  /** Records a second, for tails. */
  readonly rateMax: number;
}

const RATES = [10, 50, 200, 1_000, 10_000].map(
  (rate) => [rate, `${rate.toLocaleString()} records a second`] as const,
);

/** Names of the places where reading begins. */
const PLACES = {
  end: "What comes from now on",
  first: "The oldest record that is stored",
  time: "A time",
  sequence: "A sequence of the log",
} as const;
type Place = keyof typeof PLACES;

/** The form. Nothing is read anew before it is applied; Enter does. */
export function ReadForm(props: {
  readonly stream: Stream;
  readonly places: readonly Place[];
  readonly reading: Reading;
  readonly onRead: (reading: Reading) => void;
  readonly fault: string | undefined;
  readonly hasRate?: boolean;
}) {
  const { stream, reading, places } = props;
  const [place, setPlace] = useState<Place>(reading.start.case);
  const [at, setAt] = useState("");
  const [keys, setKeys] = useState<Readonly<{ [name: string]: string }>>({});
  const [filter, setFilter] = useState(reading.filter);
  const [rateMax, setRateMax] = useState(reading.rateMax);
  const [isTried, setTried] = useState(false);
  const start = readStart(place, at);
  const key = keyJson(stream.schema?.fields ?? [], stream.keyFields, keys);
  const apply = () => {
    setTried(start === undefined || key === undefined);
    if (start && key !== undefined) props.onRead({ start, key, filter, rateMax });
  };
  return (
    <form
      noValidate
      aria-label="What to read"
      onSubmit={(event) => {
        event.preventDefault();
        apply();
      }}
    >
      <div className="row">
        <SelectField
          label="Begin with"
          value={place}
          choices={places.map((each) => [each, PLACES[each]] as const)}
          onChange={setPlace}
        />
        <StartInput place={place} at={at} onChange={setAt} isFaulty={isTried && !start} />
        {props.hasRate && (
          <SelectField
            label="At most"
            value={rateMax}
            choices={RATES}
            onChange={setRateMax}
            hint="What comes faster is counted and left out."
          />
        )}
      </div>
      <div className="row">
        {stream.keyFields.map((name) => (
          <TextField
            key={name}
            label={`Key: ${name}`}
            optional
            value={keys[name] ?? ""}
            onChange={(text) => setKeys({ ...keys, [name]: text })}
            fault={
              isTried && key === undefined && !keys[name]
                ? "Fill in every part of the key, or none."
                : undefined
            }
          />
        ))}
        <TextField
          label="Only records with"
          optional
          placeholder='site.id = "a"'
          hint={'Such as temperature = 4.5 AND site.id = "a".'}
          value={filter}
          onChange={setFilter}
          fault={props.fault}
        />
      </div>
      <div className="actions">
        <button type="submit">Read</button>
      </div>
    </form>
  );
}

function StartInput(props: {
  readonly place: Place;
  readonly at: string;
  readonly onChange: (at: string) => void;
  readonly isFaulty: boolean;
}) {
  const { place, at, onChange, isFaulty } = props;
  if (place === "time") {
    return (
      <TextField
        label="From this time"
        type="datetime-local"
        hint="In your zone."
        value={at}
        onChange={onChange}
        fault={isFaulty ? "Give a date and a time." : undefined}
      />
    );
  }
  if (place !== "sequence") return null;
  return (
    <TextField
      label="From this sequence"
      value={at}
      onChange={onChange}
      hint="The first number of a record's place."
      fault={isFaulty ? "Give a whole number." : undefined}
    />
  );
}

function readStart(place: Place, at: string): ReadStart | undefined {
  if (place === "end" || place === "first") return { case: place };
  if (place === "sequence") {
    return /^\d{1,18}$/.test(at) ? { case: "sequence", value: BigInt(at) } : undefined;
  }
  const value = new Date(at);
  return Number.isNaN(value.getTime()) ? undefined : { case: "time", value };
}

/** The start of a list as calls take it. */
export function startOfList(start: ReadStart) {
  if (start.case === "time") {
    return { case: "fromTime" as const, value: timestampFromDate(start.value) };
  }
  if (start.case === "sequence") return { case: "fromSequence" as const, value: start.value };
  return { case: undefined };
}
