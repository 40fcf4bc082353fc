/** What the list of sinks shows of each, and in which order. */
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Link } from "wouter";
import { type Sink, Sink_State as State } from "#gen/tributary/management/v1/sink_pb.js";
import { duration, whole } from "../../parts/figures.ts";
import { Time } from "../../parts/time.tsx";
import type { TableColumn } from "../../parts/virtual-table.tsx";
import { kindTitle } from "./sink-kinds.ts";
import { StateBadge } from "./state-badge.tsx";

/** A sink that is this far behind is among those with trouble. */
const LATE_MS = 60_000;

/** The columns; the branch is among them where there are several. */
export function columnsOf(sinks: readonly Sink[]): readonly TableColumn<Sink>[] {
  const hasBranches = new Set(sinks.map(({ branch }) => branch || "main")).size > 1;
  return hasBranches ? [...FIRST, BRANCH, ...REST] : [...FIRST, ...REST];
}

/** The oldest record that waits, in milliseconds; 0 when none does. */
export function lagMsOf({ status }: Sink): number {
  return status?.lag ? durationMs(status.lag) : 0;
}

/** Whether somebody should look at it: it fails, holds records, is about to lose some, or is late. */
export function isInTrouble(sink: Sink): boolean {
  const { state, counts, loss } = sink.status ?? {};
  const isStopped = state === State.ERROR || loss !== undefined;
  return isStopped || (counts?.held ?? 0n) > 0n || lagMsOf(sink) >= LATE_MS;
}

const BRANCH: TableColumn<Sink> = { title: "Branch", cell: ({ branch }) => branch || "main" };

const FIRST: readonly TableColumn<Sink>[] = [
  {
    title: "Name",
    cell: ({ name, displayName }) => <Link href={`/${name}`}>{displayName || name}</Link>,
  },
  { title: "State", cell: ({ status }) => <StateBadge state={status?.state} /> },
  { title: "Kind", cell: kindTitle },
];

const REST: readonly TableColumn<Sink>[] = [
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
