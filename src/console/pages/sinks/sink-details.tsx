/** One sink: what it does, how it is set up, and what can be done with it. */
import { toJson } from "@bufbuild/protobuf";
import { useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useLocation } from "wouter";
import {
  type Sink,
  SinkSchema,
  Sink_State as State,
} from "#gen/tributary/management/v1/sink_pb.js";
import { SinkService } from "#gen/tributary/management/v1/sink_service_pb.js";
import type { Stream } from "#gen/tributary/management/v1/stream_pb.js";
import { ConfirmButton } from "../../parts/confirm.tsx";
import { ActionButton } from "../../parts/form.tsx";
import { Loaded } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";
import { HeldRecords } from "./held-records.tsx";
import { kindTitle, sinks } from "./sink-kinds.ts";
import { SinkRules } from "./sink-rules.tsx";
import { StateBadge } from "./state-badge.tsx";
import { TestLadder } from "./test-ladder.tsx";

const REFRESH_MS = 1_500;

/** The page of a sink. */
export function SinkDetails({ stream, name }: { readonly stream: Stream; readonly name: string }) {
  const query = useQuery(SinkService.method.getSink, { name }, { refetchInterval: REFRESH_MS });
  return (
    <Loaded query={query}>
      {({ sink }) =>
        sink && (
          <>
            <section className="card stack" aria-labelledby="sink-title">
              <div className="title">
                <h2 id="sink-title">
                  {sink.displayName || name} <StateBadge state={sink.status?.state} />
                </h2>
                <Controls sink={sink} stream={stream.name} />
              </div>
              <Status sink={sink} />
            </section>
            <Configuration sink={sink} />
            <SinkRules sink={sink} stream={stream} key={sink.etag} />
            <HeldRecords sink={sink} />
          </>
        )
      }
    </Loaded>
  );
}

function Controls({ sink, stream }: { readonly sink: Sink; readonly stream: string }) {
  const queries = useQueryClient();
  const [, navigate] = useLocation();
  const { name } = sink;
  const then = async (call: Promise<unknown>) => {
    await call;
    await queries.invalidateQueries();
  };
  const isPaused = sink.status?.state === State.PAUSED;
  return (
    <div className="actions">
      {isPaused ? (
        <ActionButton label="Resume" call={() => then(sinks.resumeSink({ name }))} />
      ) : (
        <ActionButton label="Pause" call={() => then(sinks.pauseSink({ name }))} />
      )}
      <ActionButton label="Restart" call={() => then(sinks.restartSink({ name }))} />
      <ConfirmButton
        label="Delete"
        title="Delete this sink?"
        text="Delivery ends for good. What was not delivered stays in the stream, and the destination keeps what it has."
        confirm="Delete the sink"
        call={async () => {
          await sinks.deleteSink({ name });
          await queries.invalidateQueries();
          navigate(`/${stream}/sinks`);
        }}
      />
    </div>
  );
}

function Status({ sink: { status } }: { readonly sink: Sink }) {
  const counts = status?.counts;
  return (
    <>
      {status?.cause && (
        <p className="fault">
          {status.cause} {status.reason && `(${status.reason})`}
        </p>
      )}
      <dl>
        <dt>In this state since</dt>
        <dd>
          <Time at={status?.since} none="not known" />
        </dd>
        {status?.nextAttemptTime && (
          <>
            <dt>Next attempt</dt>
            <dd>
              <Time at={status.nextAttemptTime} />
            </dd>
          </>
        )}
        <dt>Last delivered</dt>
        <dd>
          <Time at={status?.lastDeliveredTime} none="nothing yet" />
        </dd>
        <dt>Lag</dt>
        <dd>{status?.lag ? `${status.lag.seconds} s` : "none"}</dd>
        <dt>Delivered</dt>
        <dd>{String(counts?.delivered ?? 0)}</dd>
        <dt>Filtered</dt>
        <dd>{String(counts?.filtered ?? 0)}</dd>
        <dt>Held</dt>
        <dd>{String(counts?.held ?? 0)}</dd>
        <dt>Discarded</dt>
        <dd>{String(counts?.discarded ?? 0)}</dd>
        <dt>Expired</dt>
        <dd>{String(counts?.expired ?? 0)}</dd>
        <dt>Waiting</dt>
        <dd>{String(counts?.pending ?? 0)}</dd>
        <dt>Pushed since the start</dt>
        <dd>{String(counts?.pushed ?? 0)}</dd>
      </dl>
    </>
  );
}

function Configuration({ sink }: { readonly sink: Sink }) {
  const json = toJson(SinkSchema, sink) as Record<string, unknown>;
  const config = json[sink.config.case ?? ""];
  return (
    <section className="card stack" aria-labelledby="config-title">
      <h2 id="config-title">Destination: {kindTitle(sink)}</h2>
      <dl>
        {Object.entries((config ?? {}) as Record<string, unknown>).map(([key, value]) => (
          <div className="pair" key={key}>
            <dt>{key}</dt>
            <dd>{typeof value === "string" ? value : JSON.stringify(value)}</dd>
          </div>
        ))}
      </dl>
      <TestLadder test={() => sinks.testSink({ parent: parentOf(sink.name), sink })} />
    </section>
  );
}

function parentOf(name: string): string {
  return name.slice(0, name.indexOf("/sinks/"));
}
