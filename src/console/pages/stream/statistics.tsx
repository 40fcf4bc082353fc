/** What came into a stream, what it holds, and what its sinks do with it. */
import { useQuery } from "@connectrpc/connect-query";
import { useMemo } from "react";
import { DeliveryService } from "#gen/tributary/management/v1/delivery_service_pb.js";
import type { BranchStatistics, StreamStatistics } from "#gen/tributary/management/v1/ledger_pb.js";
import type { UsageDay } from "#gen/tributary/management/v1/usage_pb.js";
import { UsageService } from "#gen/tributary/management/v1/usage_service_pb.js";
import { Chart } from "../../parts/chart.tsx";
import { bytes, whole } from "../../parts/figures.ts";
import { Loaded } from "../../parts/note.tsx";
import { PlainTable } from "../../parts/plain-table.tsx";
import type { PlotData } from "../../parts/plot.ts";
import { Time } from "../../parts/time.tsx";
import { SinkStatisticsTable } from "./sink-statistics.tsx";
import { SourceStatisticsTable } from "./source-statistics.tsx";
import type { StreamPart } from "./stream.tsx";
import { useRates } from "./use-rates.ts";

const REFRESH_MS = 2_000;
const DAY_MS = 86_400_000;

/** The part "Statistics". */
export default function Statistics({ stream: { name } }: StreamPart) {
  const query = useQuery(
    DeliveryService.method.getStreamStatistics,
    { name },
    { refetchInterval: REFRESH_MS },
  );
  return (
    <Loaded query={query}>
      {({ statistics }) =>
        statistics && (
          <>
            <Now statistics={statistics} at={query.dataUpdatedAt} />
            <ByDay stream={name} />
            <section className="card stack" aria-labelledby="sinks-title">
              <h2 id="sinks-title">Sinks</h2>
              <SinkStatisticsTable sinks={statistics.sinks} />
            </section>
            <section className="card stack" aria-labelledby="sources-title">
              <h2 id="sources-title">Sources</h2>
              <SourceStatisticsTable stream={name} />
            </section>
            <section className="card stack" aria-labelledby="branches-title">
              <h2 id="branches-title">Stored</h2>
              <Branches branches={statistics.branches} />
            </section>
          </>
        )
      }
    </Loaded>
  );
}

function Now(props: { readonly statistics: StreamStatistics; readonly at: number }) {
  const { statistics, at } = props;
  const { received, receivedBytes, sinks } = statistics;
  const delivered = sinks.reduce((sum, each) => sum + (each.status?.counts?.delivered ?? 0n), 0n);
  const sent = sinks.reduce((sum, each) => sum + (each.status?.deliveredBytes ?? 0n), 0n);
  const rates = useRates(at, Number(received), Number(delivered));
  const sizes = useRates(at, Number(receivedBytes), Number(sent));
  return (
    <section className="card stack" aria-labelledby="now-title">
      <h2 id="now-title">Accepted and delivered</h2>
      <dl>
        <dt>Accepted since the stream was made</dt>
        <dd>
          {whole(received)} records, {bytes(receivedBytes)}
        </dd>
        <dt>Delivered by its sinks</dt>
        <dd>
          {whole(delivered)} records, {bytes(sent)}
        </dd>
        <dt>Rejected</dt>
        <dd>
          {whole(statistics.rejected)} records in {whole(statistics.rejectedCalls)} calls, the last{" "}
          <Time at={statistics.lastRejectedTime} />
        </dd>
        <dt>Now</dt>
        <dd>
          {rates.now[0]} accepted and {rates.now[1]} delivered a second;{" "}
          {bytes(BigInt(sizes.now[0] ?? 0))} and {bytes(BigInt(sizes.now[1] ?? 0))} a second
        </dd>
      </dl>
      <Chart data={rates.data} />
      <p className="quiet">
        Records a second since this page was opened: accepted (filled), delivered (dashed).
      </p>
      <Chart data={sizes.data} />
      <p className="quiet">Bytes a second, in the same way.</p>
    </section>
  );
}

function ByDay({ stream }: { readonly stream: string }) {
  const query = useQuery(UsageService.method.getUsage, { name: stream });
  return (
    <section className="card stack" aria-labelledby="days-title">
      <h2 id="days-title">Accepted in the last 30 days</h2>
      <Loaded query={query}>{({ days }) => <Days days={days} />}</Loaded>
    </section>
  );
}

function Days({ days }: { readonly days: readonly UsageDay[] }) {
  const [data, sizes] = useMemo(() => {
    const now = Date.now();
    return [
      dailyData(days, now, (day) => day.totals?.records),
      dailyData(days, now, (day) => day.totals?.bytes),
    ];
  }, [days]);
  if (days.length === 0) return <p>Nothing yet.</p>;
  return (
    <>
      <Chart data={data} />
      <p className="quiet">Records a day, in UTC.</p>
      <Chart data={sizes} />
      <p className="quiet">Bytes a day, in UTC.</p>
      <details>
        <summary>The same as a table</summary>
        <PlainTable titles={["Day", "Records", "Size"]}>
          {days.map(({ day, totals }) => (
            <tr key={day}>
              <th scope="row">{day}</th>
              <td>{whole(totals?.records)}</td>
              <td>{bytes(totals?.bytes)}</td>
            </tr>
          ))}
        </PlainTable>
      </details>
    </>
  );
}

/** One value for each of 30 days, 0 where nothing came. */
function dailyData(
  days: readonly UsageDay[],
  now: number,
  countOf: (day: UsageDay) => bigint | undefined,
): PlotData {
  const counts = new Map(days.map((each) => [each.day, Number(countOf(each) ?? 0n)]));
  const starts = Array.from({ length: 30 }, (_none, at) => now - (29 - at) * DAY_MS);
  const midnights = starts.map((start) => Math.floor(start / DAY_MS) * DAY_MS);
  const ids = midnights.map((start) => new Date(start).toISOString().slice(0, 10));
  return [midnights.map((start) => start / 1_000), ids.map((id) => counts.get(id) ?? 0)];
}

function Branches({ branches }: { readonly branches: readonly BranchStatistics[] }) {
  return (
    <>
      <PlainTable titles={["Branch", "Messages", "Size", "Oldest record", "Newest record"]}>
        {branches.map((each) => (
          <tr key={each.branch}>
            <th scope="row">{each.branch.slice(each.branch.lastIndexOf("/") + 1)}</th>
            <td>{whole(each.storedMessages)}</td>
            <td>{bytes(each.storedBytes)}</td>
            <td>
              <Time at={each.firstTime} none="none" />
            </td>
            <td>
              <Time at={each.lastTime} none="none" />
            </td>
          </tr>
        ))}
      </PlainTable>
      <p className="quiet">A message holds the records of one or several calls.</p>
    </>
  );
}
