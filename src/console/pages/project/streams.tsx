/** The streams of a project, newest first. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { Link } from "wouter";
import { StreamService } from "#gen/tributary/management/v1/stream_service_pb.js";
import { MoreButton } from "../../parts/more.tsx";
import { Empty, Loaded } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";

/** The list, or what a stream is when there is none. */
export function Streams({ project }: { readonly project: string }) {
  const query = useInfiniteQuery(
    StreamService.method.listStreams,
    { parent: project, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: (page) => page.nextPageToken || undefined },
  );
  return (
    <>
      <Loaded query={query}>
        {({ pages }) => {
          const all = pages.flatMap((page) => page.streams);
          if (all.length === 0) {
            return (
              <Empty title="No stream yet">
                <p>A stream takes JSON records, keeps them in order, and delivers them.</p>
                <Link href={`/${project}/new-stream`} className="button primary">
                  Create the first stream
                </Link>
              </Empty>
            );
          }
          return (
            <ul className="tiles">
              {all.map((stream) => (
                <li className="card" key={stream.name}>
                  <h2>
                    <Link href={`/${stream.name}`}>{stream.displayName || stream.name}</Link>
                  </h2>
                  <p>{stream.description}</p>
                  <p className="quiet">
                    {stream.schema?.fields.length ?? 0} fields, {stream.partitions} partitions,
                    since <Time at={stream.createTime} />
                  </p>
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
      <MoreButton query={query} />
    </>
  );
}
