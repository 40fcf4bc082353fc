/** What a sink has done and where it delivers to. */
import { toJson } from "@bufbuild/protobuf";
import { Link } from "wouter";
import { type Sink, SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { duration, whole } from "../../parts/figures.ts";
import { wordsOf } from "../../parts/message-words.ts";
import { Note } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";
import { LossClock } from "./loss-clock.tsx";
import type { SinkPart } from "./sink-details.tsx";
import { kindTitle } from "./sink-kinds.ts";
import { Staging } from "./staging.tsx";
import { TestLadder } from "./test-ladder.tsx";
import { WhyLate } from "./why-late.tsx";

/** The part that a sink's page opens with. */
export function SinkOverview({ sink, stream, at }: SinkPart) {
  return (
    <>
      <section className="card stack" aria-labelledby="status-title">
        <h2 id="status-title">Delivery</h2>
        <HeldNote sink={sink} />
        <WhyLate sink={sink} at={at} />
        <Status sink={sink} />
      </section>
      <LossClock sink={sink} stream={stream} />
      <Staging sink={sink} />
      <section className="card stack" aria-labelledby="config-title">
        <h2 id="config-title">Destination: {kindTitle(sink)}</h2>
        <Configuration sink={sink} />
        <TestLadder stream={stream.name} read={() => sink} />
      </section>
    </>
  );
}

function HeldNote({ sink: { name, status } }: { readonly sink: Sink }) {
  const held = status?.counts?.held ?? 0n;
  if (held <= 0n) return null;
  return (
    <Note kind="warn">
      {whole(held)} {held === 1n ? "record is" : "records are"} held:{" "}
      <Link href={`/${name}/held`}>see why, compare and replay</Link>.
    </Note>
  );
}

function Status({ sink: { status } }: { readonly sink: Sink }) {
  const counts = status?.counts;
  const ledger = [
    ["Delivered", counts?.delivered],
    ["Filtered", counts?.filtered],
    ["Held", counts?.held],
    ["Discarded", counts?.discarded],
    ["Expired", counts?.expired],
    ["Waiting", counts?.pending],
    ["Pushed since the start", counts?.pushed],
  ] as const;
  return (
    <>
      <dl className="figures">
        {ledger.map(([title, count]) => (
          <div key={title}>
            <dt>{title}</dt>
            <dd>{whole(count)}</dd>
          </div>
        ))}
        <div>
          <dt>Lag</dt>
          <dd>{duration(status?.lag) || "none"}</dd>
        </div>
      </dl>
      <dl>
        <dt>In this state since</dt>
        <dd>
          <Time at={status?.since} none="not known" />
        </dd>
        <dt>Last delivered</dt>
        <dd>
          <Time at={status?.lastDeliveredTime} none="nothing yet" />
        </dd>
      </dl>
    </>
  );
}

/** Every setting as it is saved; secrets are not among them. */
function Configuration({ sink }: { readonly sink: Sink }) {
  const json = toJson(SinkSchema, sink, { useProtoFieldName: true }) as { [name: string]: unknown };
  const field = SinkSchema.fields.find(({ localName }) => localName === sink.config.case);
  const config = (json[field?.name ?? ""] ?? {}) as { [name: string]: unknown };
  return (
    <dl>
      {Object.entries(config).map(([key, value]) => (
        <div className="pair" key={key}>
          <dt>{wordsOf(key)}</dt>
          <dd>{typeof value === "string" ? value : JSON.stringify(value)}</dd>
        </div>
      ))}
    </dl>
  );
}
