/** The streams of a project, newest first. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { Link } from "wouter";
import type { Stream } from "#gen/tributary/management/v1/stream_pb.js";
import { StreamService } from "#gen/tributary/management/v1/stream_service_pb.js";
import { PAGES } from "../../api/queries.ts";
import { MoreButton } from "../../parts/more.tsx";
import { Empty, Loaded } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";
import { type TableColumn, VirtualTable } from "../../parts/virtual-table.tsx";

const COLUMNS: readonly TableColumn<Stream>[] = [
  {
    title: "Name",
    cell: ({ name, displayName }) => <Link href={`/${name}`}>{displayName || name}</Link>,
  },
  { title: "Description", cell: ({ description }) => description },
  { title: "Key", cell: ({ keyFields }) => keyFields.join(", ") || "none" },
  { title: "Partitions", cell: ({ partitions }) => partitions },
  { title: "Made", cell: ({ createTime }) => <Time at={createTime} /> },
];

/** The list, or what a stream is when there is none. */
export function Streams({ project }: { readonly project: string }) {
  const query = useInfiniteQuery(
    StreamService.method.listStreams,
    { parent: project, pageToken: "" },
    PAGES,
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
            <VirtualTable
              label="Streams, newest first"
              columns={COLUMNS}
              rows={all}
              keyOf={({ name }) => name}
              more={query}
            />
          );
        }}
      </Loaded>
      <MoreButton query={query} />
    </>
  );
}
