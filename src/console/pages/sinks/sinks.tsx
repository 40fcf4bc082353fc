/** The sinks of a stream: the list, a new one, or one of them. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { Link } from "wouter";
import type { Sink } from "#gen/tributary/management/v1/sink_pb.js";
import { SinkService } from "#gen/tributary/management/v1/sink_service_pb.js";
import { duration, whole } from "../../parts/figures.ts";
import { MoreButton, refreshEvery } from "../../parts/more.tsx";
import { Loaded } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";
import { type TableColumn, VirtualTable } from "../../parts/virtual-table.tsx";
import type { StreamPart } from "../stream/stream.tsx";
import { NewSink } from "./new-sink.tsx";
import { RealtimeSwitch } from "./realtime-switch.tsx";
import { SinkDetails } from "./sink-details.tsx";
import { kindTitle, SINK_KINDS } from "./sink-kinds.ts";
import { StateBadge } from "./state-badge.tsx";

const REFRESH_MS = 2_000;

const COLUMNS: readonly TableColumn<Sink>[] = [
  {
    title: "Name",
    cell: ({ name, displayName }) => <Link href={`/${name}`}>{displayName || name}</Link>,
  },
  { title: "State", cell: ({ status }) => <StateBadge state={status?.state} /> },
  { title: "Kind", cell: kindTitle },
  { title: "Delivered", cell: ({ status }) => whole(status?.counts?.delivered) },
  { title: "Waiting", cell: ({ status }) => whole(status?.counts?.pending) },
  { title: "Held", cell: ({ status }) => whole(status?.counts?.held) },
  { title: "Lag", cell: ({ status }) => duration(status?.lag) || "none" },
  {
    title: "Last delivered",
    cell: ({ status }) => <Time at={status?.lastDeliveredTime} none="nothing yet" />,
  },
  {
    title: "Cause",
    cell: ({ status }) => (
      <>
        {status?.loss && (
          <span className="fault">
            Retention takes what it needs from <Time at={status.loss.time} /> on.{" "}
          </span>
        )}
        <span title={status?.cause}>{status?.cause}</span>
      </>
    ),
  },
];

/** The part "Sinks". */
export default function Sinks({ stream, id, more }: StreamPart) {
  const kind = SINK_KINDS.find((each) => each.id === more);
  if (id === "new" && kind) return <NewSink stream={stream.name} kind={kind} />;
  if (id === "new") return <Tiles stream={stream.name} />;
  if (id) return <SinkDetails stream={stream} name={`${stream.name}/sinks/${id}`} part={more} />;
  return <SinkList stream={stream.name} />;
}

function SinkList({ stream }: { readonly stream: string }) {
  const query = useInfiniteQuery(
    SinkService.method.listSinks,
    { parent: stream, pageToken: "" },
    {
      pageParamKey: "pageToken",
      getNextPageParam: (page) => page.nextPageToken || undefined,
      refetchInterval: refreshEvery(REFRESH_MS),
    },
  );
  return (
    <>
      <Loaded query={query}>
        {({ pages }) => {
          const all = pages.flatMap((page) => page.sinks);
          if (all.length === 0) return <Tiles stream={stream} />;
          return (
            <>
              <div>
                <Link href={`/${stream}/sinks/new`} className="button primary">
                  Add sink
                </Link>
              </div>
              <RealtimeSwitch stream={stream} shown={all} />
              <h2>Realtime configuration</h2>
              <VirtualTable
                label="Sinks, newest first"
                columns={COLUMNS}
                rows={all}
                keyOf={({ name }) => name}
                more={query}
              />
            </>
          );
        }}
      </Loaded>
      <MoreButton query={query} />
    </>
  );
}

function Tiles({ stream }: { readonly stream: string }) {
  return (
    <section className="stack" aria-labelledby="kinds">
      <h2 id="kinds">Where should the records go?</h2>
      <ul className="tiles">
        {SINK_KINDS.map((kind) => (
          <li className="card stack" key={kind.id}>
            <h3>{kind.title}</h3>
            <p>{kind.text}</p>
            <div>
              <Link href={`/${stream}/sinks/new/${kind.id}`} className="button">
                Add {kind.title}
              </Link>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
