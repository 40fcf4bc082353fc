/** The records of a stream as they arrive. */
import { useDeferredValue, useState } from "react";
import { Link } from "wouter";
import type { Record } from "#gen/tributary/records/v1/record_pb.js";
import { CopyButton } from "../../parts/copy.tsx";
import { CheckField, TextField } from "../../parts/field.tsx";
import { Empty, Note } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";
import { RateChart } from "./rate-chart.tsx";
import type { StreamPart } from "./stream.tsx";
import { useTail } from "./tail.ts";
import { TestRecord } from "./test-record.tsx";

/** Shown at once; the rest of what is kept can be found by the filter. */
const SHOWN_MAX = 100;

/** The part "Live". */
export function Live({ stream }: StreamPart) {
  const [isPaused, setPaused] = useState(false);
  const [filter, setFilter] = useState("");
  const [applied, setApplied] = useState("");
  const [text, setText] = useState("");
  const tail = useTail(stream.name, { filter: applied, isPaused });
  const wanted = useDeferredValue(text.toLowerCase());
  const shown = tail.records.filter((each) => jsonOf(each).toLowerCase().includes(wanted));
  return (
    <>
      <TestRecord stream={stream} />
      <section className="card stack" aria-label="Records">
        <div className="row">
          <TextField label="Find in the records below" value={text} onChange={setText} />
          <form
            onSubmit={(event) => {
              event.preventDefault();
              setApplied(filter);
            }}
          >
            <TextField
              label="Follow only records with"
              placeholder='site.id = "a"'
              hint={'Such as temperature = 4.5 AND site.id = "a"; Enter applies it.'}
              value={filter}
              onChange={setFilter}
              fault={tail.fault?.message}
            />
          </form>
        </div>
        <CheckField label="Pause" checked={isPaused} onChange={setPaused} />
        <p role="status">
          {isPaused ? "Paused" : tail.isLive ? "Live" : "Connecting"}: {tail.count}{" "}
          {tail.count === 1 ? "record" : "records"} seen
          {tail.skipped > 0 && `, ${tail.skipped} left out by the cap of 200 a second`}
        </p>
        <RateChart count={tail.count} />
        <RecordList records={shown} isSearch={wanted !== ""} stream={stream.name} />
      </section>
    </>
  );
}

function RecordList(props: {
  readonly records: readonly Record[];
  readonly isSearch: boolean;
  readonly stream: string;
}) {
  const { records, isSearch, stream } = props;
  if (records.length === 0) {
    return isSearch ? (
      <Note>None of the records that are kept here holds this text.</Note>
    ) : (
      <Empty title="Waiting for records">
        <p>Push one with “Test with JSON” above, or see how to push from your own code.</p>
        <Link href={`/${stream}/connect`}>Connect a sender</Link>
      </Empty>
    );
  }
  return (
    <>
      <ol className="records" aria-label="Newest first">
        {records.slice(0, SHOWN_MAX).map((record) => (
          <li key={record.id}>
            <RecordLine record={record} />
          </li>
        ))}
      </ol>
      {records.length > SHOWN_MAX && (
        <p className="quiet">{records.length - SHOWN_MAX} older ones are not shown.</p>
      )}
    </>
  );
}

function RecordLine({ record }: { readonly record: Record }) {
  const [isOpen, setOpen] = useState(false);
  const json = jsonOf(record);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <code>{json}</code>
      </summary>
      {isOpen && (
        <div className="stack">
          <pre>
            <code>{indented(json)}</code>
          </pre>
          <CopyButton text={json} what="the record" />
          <dl>
            <dt>Id</dt>
            <dd>
              <code>{record.id}</code>
            </dd>
            <dt>Place</dt>
            <dd>
              {record.place}, partition {record.partition}
            </dd>
            <dt>Arrived</dt>
            <dd>
              <Time at={record.arrivalTime} /> by {record.source}
            </dd>
          </dl>
        </div>
      )}
    </details>
  );
}

const decoder = new TextDecoder();

/** The record's own bytes: numbers stand as they were pushed. */
function jsonOf(record: Record): string {
  return decoder.decode(record.json);
}

/** Indents for reading; a record whose numbers would change by it stays as it is. */
function indented(json: string): string {
  try {
    const value = JSON.parse(json) as unknown;
    const isSame = JSON.stringify(value) === json.replace(/\s*([{}[\],:])\s*/g, "$1");
    return isSame ? JSON.stringify(value, null, 2) : json;
  } catch {
    return json;
  }
}
