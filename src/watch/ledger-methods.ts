/** The rpcs of DeliveryService about ledgers. */
import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type ExportLedgersRequest,
  ExportLedgersRequest_Format as Format,
  type GetLedgerRequest,
} from "#gen/tributary/management/v1/delivery_service_pb.js";
import { type SinkLedger, SinkLedgerSchema } from "#gen/tributary/management/v1/ledger_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import { notFound } from "../core/errors.ts";
import { parseName } from "../core/names.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import { ledgerRow } from "./ledger-keeper.ts";
import { findLedger, LEDGER_COUNTS, type LedgerRow } from "./ledger-store.ts";
import type { Status } from "./sink-conditions.ts";
import { findSink, type WatchParts } from "./watch-parts.ts";

/** Counts of one partition, up to its cursor. */
export interface PartitionCounts {
  readonly partition: number;
  readonly generation: number;
  readonly next: { readonly sequence: number; readonly index: number };
  readonly delivered: number;
  readonly filtered: number;
  readonly held: number;
  readonly discarded: number;
  readonly expired: number;
  readonly parkedKeys: number;
}

/** What delivery tells. */
export interface LedgerParts extends WatchParts {
  readonly statuses: (sinks: Iterable<SinkDefinition>) => Promise<ReadonlyMap<string, Status>>;
  readonly partitions: (sink: SinkDefinition) => Promise<readonly PartitionCounts[]>;
}

const EXPORT_SIZE = 1_000;
const COLUMNS = [
  ...["sink", "branch", "start_time", "end_time", "start_sequence", "settled_sequence"],
  ...LEDGER_COUNTS,
  "balanced",
];

interface Range {
  readonly startTime?: Timestamp | undefined;
  readonly endTime?: Timestamp | undefined;
}

/** Fails with RESOURCE_NOT_FOUND, LOG_UNAVAILABLE and DATABASE_UNAVAILABLE. */
export async function getLedger(parts: LedgerParts, request: GetLedgerRequest) {
  const sink = findSink(parts, request.name);
  const [ledger] = await ledgersOf(parts, [sink], request);
  if (!request.startTime && !request.endTime) {
    const partitions = await parts.partitions(sink);
    ledger!.partitions = create(SinkLedgerSchema, {
      partitions: partitions.map(({ next, generation, delivered, ...counts }) => ({
        partition: counts.partition,
        generation: BigInt(generation),
        nextPlace: `${next.sequence}-${next.index}`,
        delivered: BigInt(delivered),
        filtered: BigInt(counts.filtered),
        held: BigInt(counts.held),
        discarded: BigInt(counts.discarded),
        expired: BigInt(counts.expired),
        parkedKeys: counts.parkedKeys,
      })),
    }).partitions;
  }
  return { ledger: ledger! };
}

/** A page of text, by the names of the sinks. Fails with RESOURCE_NOT_FOUND and PAGE_TOKEN_INVALID. */
export async function exportLedgers(parts: LedgerParts, request: ExportLedgersRequest) {
  const { parent, format, pageToken } = request;
  if (!parseName(parent, "project") && !parseName(parent, "stream")) throw notFound(parent);
  const page = readPageRequest(`ledgers of ${parent} ${format}`, {
    pageSize: EXPORT_SIZE,
    pageToken,
  });
  const sinks = [...parts.definitions.sinks()]
    .filter(({ name }) => name.startsWith(`${parent}/`) && name > (page.after?.uid ?? ""))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .slice(0, EXPORT_SIZE + 1);
  const { rows, nextPageToken } = makePage(page, sinks, ({ name }) => ({ timeMs: 0, uid: name }));
  const records = (await ledgersOf(parts, rows, request)).map(recordOf);
  if (format === Format.NDJSON) {
    return { content: records.map((r) => `${JSON.stringify(r)}\n`).join(""), nextPageToken };
  }
  const lines = records.map((record) =>
    COLUMNS.map((name) => String(record[name] ?? "")).join(","),
  );
  const head = page.after ? [] : [COLUMNS.join(",")];
  return { content: [...head, ...lines].map((line) => `${line}\r\n`).join(""), nextPageToken };
}

/** No value needs quotes: names and times hold no comma. */
function recordOf(ledger: SinkLedger): Record<string, string | number | boolean> {
  const { sink, branch, startTime, endTime, counts, balanced } = ledger;
  const text = (time: Timestamp | undefined) => (time ? timestampDate(time).toISOString() : "");
  return {
    ...{ sink, branch, start_time: text(startTime), end_time: text(endTime) },
    start_sequence: Number(ledger.startSequence),
    settled_sequence: Number(ledger.settledSequence),
    ...Object.fromEntries(LEDGER_COUNTS.map((name) => [name, Number(counts?.[name] ?? 0n)])),
    balanced,
  };
}

async function ledgersOf(
  parts: LedgerParts,
  sinks: readonly SinkDefinition[],
  range: Range,
): Promise<SinkLedger[]> {
  const statuses = range.endTime ? new Map<string, Status>() : await parts.statuses(sinks);
  const ledgers: SinkLedger[] = [];
  for (const sink of sinks) {
    const ends = await endsOf(parts, sink, { range, status: statuses.get(sink.uid) });
    ledgers.push(ledgerOf(sink, ends));
  }
  return ledgers;
}

interface Ends {
  readonly from: LedgerRow | undefined;
  readonly to: LedgerRow | undefined;
}

async function endsOf(
  { database, now }: LedgerParts,
  sink: SinkDefinition,
  { range, status }: { readonly range: Range; readonly status: Status | undefined },
): Promise<Ends> {
  const { startTime, endTime } = range;
  const current = status && ledgerRow(sink, status, new Date(now()));
  if (!startTime && !endTime) return { from: undefined, to: current };
  return await database.inProject(sink.name, async (queries) => {
    const at = async (time: Timestamp | undefined) =>
      time && (await findLedger(queries, sink.uid, timestampDate(time)));
    return { from: await at(startTime), to: endTime ? await at(endTime) : current };
  });
}

function ledgerOf(sink: SinkDefinition, { from, to }: Ends): SinkLedger {
  const counts = Object.fromEntries(
    LEDGER_COUNTS.map((name) => [name, BigInt((to?.[name] ?? 0) - (from?.[name] ?? 0))]),
  ) as Record<(typeof LEDGER_COUNTS)[number], bigint>;
  const { pushed, ...rest } = counts;
  const sum = Object.values(rest).reduce((total, count) => total + count, 0n);
  return create(SinkLedgerSchema, {
    sink: sink.name,
    branch: `${sink.streamName}/branches/${sink.log.branch}`,
    ...(from && { startTime: timestampFromDate(from.createTime) }),
    ...(to && { endTime: timestampFromDate(to.createTime) }),
    startSequence: BigInt(sink.startSequence),
    settledSequence: BigInt(to?.settledSequence ?? sink.startSequence - 1),
    counts,
    balanced: sum === pushed,
  });
}
