/** The records of a stream as they arrive. */
import { useDeferredValue, useMemo, useState } from "react";
import { Link } from "wouter";
import { readCurl } from "../../api/curl.ts";
import { addressOf, type LogPlace, MAIN } from "../../api/log-place.ts";
import { jsonOf } from "../../api/record-json.ts";
import { CopyButton } from "../../parts/copy.tsx";
import { CheckField, TextField } from "../../parts/field.tsx";
import { Empty, Note } from "../../parts/note.tsx";
import { VirtualList } from "../../parts/virtual-list.tsx";
import { newSinkAt } from "../sinks/new-sink-address.ts";
import { RateChart } from "./rate-chart.tsx";
import { ReadForm, type Reading } from "./read-form.tsx";
import { RecordLine } from "./record-line.tsx";
import type { StreamPart } from "./stream.tsx";
import { type Tail, useTail, WHOLE_TAIL } from "./tail.ts";
import { TestRecord } from "./test-record.tsx";

const LINE_HEIGHT = 32;

/** The part "Live". */
export function Live({ stream, branch }: StreamPart) {
  const place = { stream: stream.name, branch };
  const [isPaused, setPaused] = useState(false);
  const [reading, setReading] = useState(WHOLE_TAIL);
  const [text, setText] = useState("");
  const tail = useTail(place, reading, isPaused);
  return (
    <>
      <div>
        <Link href={newSinkAt(place)} className="button">
          Start pipelining <span className="unseen">this stream to a destination</span>
        </Link>
      </div>
      <TestRecord stream={stream} branch={branch} />
      <section className="card stack" aria-label="Records">
        <details>
          <summary>Seek by key and time, filter, rate</summary>
          <ReadForm
            stream={stream}
            places={["end", "first", "time", "sequence"]}
            reading={reading}
            onRead={setReading}
            fault={tail.fault?.message}
            hasRate
          />
        </details>
        <div className="row">
          <TextField label="Find in the records below" value={text} onChange={setText} />
          <div className="actions">
            <CheckField label="Pause" checked={isPaused} onChange={setPaused} />
            <CopyButton
              label="Copy as curl"
              what="a command that follows these records"
              text={tailCurl(place, reading)}
            />
          </div>
        </div>
        <TailState tail={tail} isPaused={isPaused} rateMax={reading.rateMax} />
        <RateChart count={tail.count} />
        <RecordList tail={tail} text={text} place={place} />
      </section>
    </>
  );
}

function TailState(props: {
  readonly tail: Tail;
  readonly isPaused: boolean;
  readonly rateMax: number;
}) {
  const { tail, isPaused, rateMax } = props;
  return (
    <>
      {tail.fault && <p className="fault">{tail.fault.message}</p>}
      <p role="status">
        {isPaused ? "Paused" : tail.isLive ? "Live" : "Connecting"}: {tail.count}{" "}
        {tail.count === 1 ? "record" : "records"} seen
        {tail.skipped > 0 && `, ${tail.skipped} left out by the cap of ${rateMax} a second`}
      </p>
    </>
  );
}

function RecordList(props: {
  readonly tail: Tail;
  readonly text: string;
  readonly place: LogPlace;
}) {
  const { tail, place } = props;
  const wanted = useDeferredValue(props.text.toLowerCase());
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const shown = useMemo(
    () =>
      wanted === ""
        ? tail.records
        : tail.records.filter((each) => jsonOf(each).toLowerCase().includes(wanted)),
    [tail.records, wanted],
  );
  if (shown.length === 0) {
    return wanted !== "" ? (
      <Note>None of the records that are kept here holds this text.</Note>
    ) : (
      <Empty title="Waiting for records">
        <p>Push one with “Test with JSON” above, or see how to push from your own code.</p>
        <Link href={`${addressOf(place)}/connect`}>Connect a sender</Link>
      </Empty>
    );
  }
  return (
    <VirtualList label="Newest first" items={shown} keyOf={idOf} heightOfOne={LINE_HEIGHT}>
      {(record) => (
        <RecordLine
          record={record}
          place={place}
          isOpen={open.has(record.id)}
          onOpen={(isOpen) => setOpen(changed(open, record.id, isOpen))}
        />
      )}
    </VirtualList>
  );
}

const idOf = ({ id }: { readonly id: string }) => id;

function changed(open: ReadonlySet<string>, id: string, isOpen: boolean): ReadonlySet<string> {
  const next = new Set(open);
  if (isOpen) next.add(id);
  else next.delete(id);
  return next;
}

/** Tails take a sequence or begin now; a time is looked up by the page. */
function tailCurl({ stream, branch }: LogPlace, { key, filter, rateMax, start }: Reading): string {
  const from = start.case === "sequence" ? start.value : start.case === "first" ? 1 : 0;
  return readCurl(`${location.origin}/v1/${stream}/records:tail`, [
    ["branch", branch === MAIN ? "" : branch],
    ["fromSequence", from],
    ["key", key],
    ["filter", filter],
    ["rateMax", rateMax],
  ]);
}
