/** The sinks of a stream side by side: who is behind, who fails, who is about to lose records. */
import { Link } from "wouter";
import type { SinkStatistics } from "#gen/tributary/management/v1/ledger_pb.js";
import { bytes, duration, whole } from "../../parts/figures.ts";
import { PlainTable } from "../../parts/plain-table.tsx";
import { Time } from "../../parts/time.tsx";
import { StateBadge } from "../sinks/state-badge.tsx";

const TITLES = [
  ...["Sink", "State", "Delivered", "Size", "Filtered", "Held", "Discarded", "Expired", "Waiting"],
  ...["Lag", "Attempts kept", "Last delivered", "Loses records from"],
];

/** A line for each sink. */
export function SinkStatisticsTable({ sinks }: { readonly sinks: readonly SinkStatistics[] }) {
  if (sinks.length === 0) return <p>None: what is pushed is stored alone.</p>;
  return (
    <PlainTable titles={TITLES}>
      {sinks.map((each) => (
        <SinkRow key={each.sink} statistics={each} />
      ))}
    </PlainTable>
  );
}

function SinkRow({ statistics }: { readonly statistics: SinkStatistics }) {
  const { sink, status, succeededAttempts, failedAttempts } = statistics;
  const { counts } = status ?? {};
  return (
    <tr>
      <th scope="row">
        <Link href={`/${sink}`}>{sink.slice(sink.lastIndexOf("/") + 1)}</Link>
      </th>
      <td>
        <StateBadge state={status?.state} />
      </td>
      <td>{whole(counts?.delivered)}</td>
      <td>{bytes(status?.deliveredBytes)}</td>
      <td>{whole(counts?.filtered)}</td>
      <td>{whole(counts?.held)}</td>
      <td>{whole(counts?.discarded)}</td>
      <td>{whole(counts?.expired)}</td>
      <td>{whole(counts?.pending)}</td>
      <td>{duration(status?.lag) || "none"}</td>
      <td>
        {whole(succeededAttempts)} good, {whole(failedAttempts)} failed
      </td>
      <td>
        <Time at={status?.lastDeliveredTime} none="nothing yet" />
      </td>
      <td>
        <Time at={status?.loss?.time} none="in no danger" />
      </td>
    </tr>
  );
}
