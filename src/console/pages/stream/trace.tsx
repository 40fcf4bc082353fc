/** "Why did my record not arrive?": everything that is known of one record. */
import { useQuery } from "@connectrpc/connect-query";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import { DeliveryService } from "#gen/tributary/management/v1/delivery_service_pb.js";
import {
  SinkTrace_Outcome as Outcome,
  type RecordPush,
  type RecordTrace,
  type SinkTrace,
} from "#gen/tributary/management/v1/trace_pb.js";
import { indented } from "../../api/record-json.ts";
import { TextField } from "../../parts/field.tsx";
import { duration } from "../../parts/figures.ts";
import { Loaded, Note } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";
import { ATTEMPT_STATES } from "../sinks/attempt-states.ts";
import type { StreamPart } from "./stream.tsx";

const OUTCOMES: Readonly<{ [O in Outcome]: readonly [string, string] }> = {
  [Outcome.OUTCOME_UNSPECIFIED]: ["Unknown", ""],
  [Outcome.DELIVERED]: ["Delivered", "good"],
  [Outcome.FILTERED]: ["Filtered", ""],
  [Outcome.HELD]: ["Held", "bad"],
  [Outcome.PENDING]: ["Waits for its turn", ""],
  [Outcome.SENDING]: ["Is being sent", "warn"],
  [Outcome.STAGED]: ["Staged", ""],
  [Outcome.PARKED]: ["Waits for an earlier record of its key", "warn"],
  [Outcome.BEFORE_START]: ["From before the sink", ""],
  [Outcome.EXPIRED]: ["Expired", "bad"],
  [Outcome.RELEASED]: ["Was held, then replayed or given up", ""],
};

/** The part "Trace". The id stands in the address, so a trace can be passed on. */
export default function Trace({ stream, id = "" }: StreamPart) {
  const [, navigate] = useLocation();
  const [text, setText] = useState(id);
  return (
    <>
      <form
        className="card"
        onSubmit={(event) => {
          event.preventDefault();
          navigate(`/${stream.name}/trace/${encodeURIComponent(text.trim())}`);
        }}
      >
        <TextField
          label="Id of the record"
          hint="As pushes, sinks and the lists of records show it."
          value={text}
          onChange={setText}
        />
        <div className="actions">
          <button type="submit" className="primary">
            Trace it
          </button>
        </div>
      </form>
      {id && <TraceOf key={id} stream={stream.name} recordId={id} />}
    </>
  );
}

function TraceOf(props: { readonly stream: string; readonly recordId: string }) {
  const query = useQuery(DeliveryService.method.traceRecord, props, { retry: false });
  return (
    <Loaded query={query}>
      {({ trace }) =>
        trace && (
          <>
            <RecordFacts trace={trace} />
            {trace.sinks.length === 0 && <Note>The branch has no sink.</Note>}
            {trace.sinks.map((each) => (
              <AtSink key={each.sink} at={each} />
            ))}
          </>
        )
      }
    </Loaded>
  );
}

function RecordFacts({ trace }: { readonly trace: RecordTrace }) {
  return (
    <section className="card stack" aria-labelledby="record-title">
      <h2 id="record-title">The record</h2>
      {!trace.stored && (
        <Note kind="warn">
          The log does not hold it any more: what follows is what sinks remember.
        </Note>
      )}
      <dl>
        <dt>Accepted</dt>
        <dd>
          <Time at={trace.arrivalTime} none="not known" />
        </dd>
        <dt>Place</dt>
        <dd>
          <code>{trace.place}</code> of <code>{trace.branch}</code>
        </dd>
        {trace.push && <PushFacts push={trace.push} />}
      </dl>
      {trace.record && (
        <pre>
          <code>{indented(trace.record)}</code>
        </pre>
      )}
    </section>
  );
}

function PushFacts({ push }: { readonly push: RecordPush }) {
  const facts: readonly (readonly [string, string])[] = [
    ["Way in", push.source],
    ["Authentication", push.authentication || "none was asked for"],
    ["Sender", push.address],
    ["Content type", push.contentType],
    ["The producer's id", push.producerId],
    ["Schema", `version ${push.schemaVersion}; the newest is ${push.newestSchemaVersion}`],
    ["Partition", `${push.partition} of generation ${push.generation}`],
    ["Trace context", push.traceContext],
  ];
  return facts
    .filter(([, value]) => value !== "")
    .map(([title, value]) => (
      <div className="pair" key={title}>
        <dt>{title}</dt>
        <dd>{value}</dd>
      </div>
    ));
}

function AtSink({ at }: { readonly at: SinkTrace }) {
  const [text, kind] = OUTCOMES[at.outcome];
  return (
    <section className="card stack" aria-label={at.sink}>
      <h2>
        <Link href={`/${at.sink}`}>{at.sink.slice(at.sink.lastIndexOf("/") + 1)}</Link>{" "}
        <span className={`badge ${kind}`}>{text}</span>
      </h2>
      <p>
        {at.explanation} {at.reason && `(${at.reason})`}
      </p>
      {at.mappingError && <p className="fault">{at.mappingError}</p>}
      {at.row && (
        <details>
          <summary>The row that version {String(at.sinkVersion)} of the sink makes of it</summary>
          <pre>
            <code>{indented(at.row)}</code>
          </pre>
        </details>
      )}
      {at.attempts.length > 0 && (
        <ol>
          {at.attempts.map((attempt) => (
            <li key={attempt.name}>
              <Time at={attempt.time} />: {ATTEMPT_STATES[attempt.state][0]} after{" "}
              {duration(attempt.duration)} {attempt.message}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
