/** The sources of a stream side by side: what they took and refused. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import type { Source } from "#gen/tributary/management/v1/source_pb.js";
import { SourceService } from "#gen/tributary/management/v1/source_service_pb.js";
import { PAGES } from "../../api/queries.ts";
import { bytes, whole } from "../../parts/figures.ts";
import { MoreButton } from "../../parts/more.tsx";
import { Loaded } from "../../parts/note.tsx";
import { PlainTable } from "../../parts/plain-table.tsx";
import { Time } from "../../parts/time.tsx";

const REFRESH_MS = 5_000;
const TITLES = [
  ...["Source", "Requests taken", "Requests refused", "Records", "Size", "Without authentication"],
  ...["In quarantine so far", "Last"],
];

/** A line for each source. */
export function SourceStatisticsTable({ stream }: { readonly stream: string }) {
  const query = useInfiniteQuery(
    SourceService.method.listSources,
    { parent: stream, pageToken: "" },
    {
      ...PAGES,
      refetchInterval: REFRESH_MS,
    },
  );
  return (
    <>
      <Loaded query={query}>
        {({ pages }) => <Table sources={pages.flatMap((page) => page.sources)} />}
      </Loaded>
      <MoreButton query={query} />
    </>
  );
}

function Table({ sources }: { readonly sources: readonly Source[] }) {
  if (sources.length === 0) return <p>None: records come by the API alone.</p>;
  return (
    <PlainTable titles={TITLES}>
      {sources.map(({ name, displayName, stats }) => (
        <tr key={name}>
          <th scope="row">{displayName || name}</th>
          <td>{whole(stats?.requests)}</td>
          <td>{whole(stats?.refused)}</td>
          <td>{whole(stats?.records)}</td>
          <td>{bytes(stats?.bytes)}</td>
          <td>{whole(stats?.unauthenticatedRecords)}</td>
          <td>{whole(stats?.quarantined)}</td>
          <td>
            <Time at={stats?.lastTime} />
          </td>
        </tr>
      ))}
    </PlainTable>
  );
}
