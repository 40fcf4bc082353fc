/** The sinks of a stream: the list, a new one, or one of them. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { Link } from "wouter";
import { SinkService } from "#gen/tributary/management/v1/sink_service_pb.js";
import { MoreButton } from "../../parts/more.tsx";
import { Loaded } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";
import type { StreamPart } from "../stream/stream.tsx";
import { NewSink } from "./new-sink.tsx";
import { SinkDetails } from "./sink-details.tsx";
import { kindTitle, SINK_KINDS } from "./sink-kinds.ts";
import { StateBadge } from "./state-badge.tsx";

const REFRESH_MS = 2_000;

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
      refetchInterval: REFRESH_MS,
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
              <ul className="tiles">
                {all.map((sink) => (
                  <li className="card" key={sink.name}>
                    <h2>
                      <Link href={`/${sink.name}`}>{sink.displayName || sink.name}</Link>
                    </h2>
                    <p>
                      <StateBadge state={sink.status?.state} /> {kindTitle(sink)}
                    </p>
                    <p className="quiet">
                      {String(sink.status?.counts?.delivered ?? 0)} delivered,{" "}
                      {String(sink.status?.counts?.pending ?? 0)} waiting,{" "}
                      {String(sink.status?.counts?.held ?? 0)} held
                    </p>
                    {sink.status?.loss && (
                      <p className="fault">
                        Retention takes what it needs from <Time at={sink.status.loss.time} /> on.
                      </p>
                    )}
                    {sink.status?.cause && <p className="fault">{sink.status.cause}</p>}
                  </li>
                ))}
              </ul>
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
