/** Records that could not be delivered. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "wouter";
import type { Sink } from "#gen/tributary/management/v1/sink_pb.js";
import { SinkService } from "#gen/tributary/management/v1/sink_service_pb.js";
import { ConfirmButton } from "../../parts/confirm.tsx";
import { ActionButton } from "../../parts/form.tsx";
import { MoreButton } from "../../parts/more.tsx";
import { Loaded } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";
import { sinks } from "./sink-kinds.ts";

const REFRESH_MS = 3_000;
const decoder = new TextDecoder();

/** The list with replay and discard. */
export function HeldRecords({ sink }: { readonly sink: Sink }) {
  const { name } = sink;
  const queries = useQueryClient();
  const query = useInfiniteQuery(
    SinkService.method.listHeldRecords,
    { parent: name, pageToken: "" },
    {
      pageParamKey: "pageToken",
      getNextPageParam: (page) => page.nextPageToken || undefined,
      refetchInterval: REFRESH_MS,
    },
  );
  const replay = async (places: string[]) => {
    await sinks.replayHeldRecords({ name, places });
    await queries.invalidateQueries();
  };
  const discard = async (places: string[]) => {
    await sinks.discardHeldRecords({ name, places });
    await queries.invalidateQueries();
  };
  return (
    <section className="card stack" aria-labelledby="held-title">
      <h2 id="held-title">Held records</h2>
      <Loaded query={query}>
        {({ pages }) => {
          const held = pages.flatMap((page) => page.heldRecords);
          if (held.length === 0) return <p>None. A record that cannot be delivered waits here.</p>;
          return (
            <>
              <div className="actions">
                <ActionButton label="Replay all" call={() => replay([])} />
                <ConfirmButton
                  label="Discard all"
                  title="Discard all held records?"
                  text="They are given up for this sink and counted as discarded. The stream keeps them."
                  confirm="Discard them"
                  call={() => discard([])}
                />
              </div>
              <ul className="tiles">
                {held.map((record) => (
                  <li className="card stack" key={record.place}>
                    <p className="fault">{record.error}</p>
                    <code>{decoder.decode(record.json)}</code>
                    <p className="quiet">
                      {record.reason}, place {record.place}, held <Time at={record.holdTime} />
                    </p>
                    <div className="actions">
                      <Link href={`/${streamOf(name)}/trace/${record.recordId}`}>Trace it</Link>
                      <ActionButton label="Replay" call={() => replay([record.place])} />
                      <ActionButton label="Discard" call={() => discard([record.place])} />
                    </div>
                  </li>
                ))}
              </ul>
            </>
          );
        }}
      </Loaded>
      <MoreButton query={query} />
    </section>
  );
}

function streamOf(sink: string): string {
  return sink.slice(0, sink.indexOf("/sinks/"));
}
