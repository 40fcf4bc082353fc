/** One sink: its state, what can be done with it, and its parts. */
import { useQuery } from "@connectrpc/connect-query";
import { type ComponentType, Suspense } from "react";
import { useHistoryState } from "wouter/use-browser-location";
import type { Sink } from "#gen/tributary/management/v1/sink_pb.js";
import { SinkService } from "#gen/tributary/management/v1/sink_service_pb.js";
import type { Stream } from "#gen/tributary/management/v1/stream_pb.js";
import { later } from "../../parts/later.tsx";
import { Loaded, Loading, Note } from "../../parts/note.tsx";
import { PartLinks } from "../../parts/page.tsx";
import { SinkControls } from "./sink-controls.tsx";
import { SinkOverview } from "./sink-overview.tsx";
import { SinkRules } from "./sink-rules.tsx";
import { StateBadge } from "./state-badge.tsx";

const REFRESH_MS = 1_500;

/** What each part of a sink's page gets. */
export interface SinkPart {
  readonly sink: Sink;
  readonly stream: Stream;
  /** When the sink was read, in milliseconds since 1970. */
  readonly at: number;
}

const PARTS: readonly (readonly [string, string, ComponentType<SinkPart>])[] = [
  ["", "Overview", SinkOverview],
  ["settings", "Settings", later(() => import("./sink-settings.tsx"))],
  ["rules", "Filter and mapping", SinkRules],
  ["held", "Held records", later(() => import("./held-records.tsx"))],
  ["deliveries", "Deliveries", later(() => import("./deliveries.tsx"))],
  ["ledger", "Ledger", later(() => import("./ledger.tsx"))],
  ["replays", "Replay", later(() => import("./replays.tsx"))],
  ["migrations", "Migration", later(() => import("./migrations.tsx"))],
  ["versions", "Versions", later(() => import("./sink-versions.tsx"))],
];

/** The page of a sink. */
export function SinkDetails(props: {
  readonly stream: Stream;
  readonly name: string;
  readonly part: string | undefined;
}) {
  const { stream, name } = props;
  const query = useQuery(SinkService.method.getSink, { name }, { refetchInterval: REFRESH_MS });
  // What the form that made it was told, until the page is left.
  const made = useHistoryState<{ readonly note?: string } | null>();
  const [id, , Part] = PARTS.find(([each]) => each === props.part) ?? PARTS[0] ?? [];
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
                <SinkControls sink={sink} stream={stream.name} />
              </div>
              {made?.note && <Note>{made.note}</Note>}
              {sink.status?.cause && (
                <p className="fault">
                  {sink.status.cause} {sink.status.reason && `(${sink.status.reason})`}
                </p>
              )}
            </section>
            <PartLinks
              label="Parts of the sink"
              current={id ? `/${name}/${id}` : `/${name}`}
              parts={PARTS.map(([each, title]) => [title, each ? `/${name}/${each}` : `/${name}`])}
            />
            <Suspense fallback={<Loading />}>
              {Part && <Part sink={sink} stream={stream} at={query.dataUpdatedAt} key={id} />}
            </Suspense>
          </>
        )
      }
    </Loaded>
  );
}
