/** What came into a stream, what it holds, and what its sinks do (B11). */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { sql } from "drizzle-orm";
import { StreamStatisticsSchema } from "#gen/tributary/management/v1/ledger_pb.js";
import type { LogDefinition } from "../core/definitions.ts";
import { notFound } from "../core/errors.ts";
import { decodeRecordBatch } from "../core/record-batch.ts";
import { readLogLosses } from "../db/log-losses.ts";
import type { LedgerParts } from "./ledger-methods.ts";

/** Fails with RESOURCE_NOT_FOUND, LOG_UNAVAILABLE and DATABASE_UNAVAILABLE. */
export async function getStreamStatistics(parts: LedgerParts, name: string) {
  const stream = parts.definitions.stream(name);
  if (!stream) throw notFound(name);
  const logs = [...stream.logs.values()];
  const sinks = logs.flatMap(({ uid }) => parts.definitions.sinksOfLog(uid));
  const [received, attempts, refused] = await parts.database.inProject(name, async (queries) => [
    await queries.execute<{ records: string; bytes: string }>(sql`
      SELECT coalesce(sum(records), 0) AS records, coalesce(sum(bytes), 0) AS bytes
      FROM tributary.usage_days WHERE stream_uid = ${stream.uid}`),
    await queries.execute<{ uid: string; failed: string; total: string }>(sql`
      SELECT a.sink_uid AS uid, count(*) FILTER (WHERE is_failure) AS failed, count(*) AS total
      FROM tributary.attempts a JOIN tributary.sinks s ON s.uid = a.sink_uid
      WHERE s.stream_uid = ${stream.uid} GROUP BY 1`),
    await queries.execute<{ records: string; calls: string; last_ms: number }>(sql`
      SELECT records, calls, extract(epoch FROM last_time)::float8 * 1000 AS last_ms
      FROM tributary.stream_refusals WHERE stream_uid = ${stream.uid}`),
  ]);
  const statuses = await parts.statuses(sinks);
  const uids = logs.map(({ uid }) => uid);
  const losses = await parts.database.inProject(name, (queries) => readLogLosses(queries, uids));
  const tries = new Map(attempts.map((row) => [row.uid, row]));
  const statistics = create(StreamStatisticsSchema, {
    stream: name,
    received: BigInt(received[0]?.records ?? 0),
    receivedBytes: BigInt(received[0]?.bytes ?? 0),
    branches: await Promise.all(
      logs.map(async (log) => ({
        ...(await branchOf(parts, name, log)),
        losses: losses.get(log.uid) ?? [],
      })),
    ),
    rejected: BigInt(refused[0]?.records ?? 0),
    rejectedCalls: BigInt(refused[0]?.calls ?? 0),
    ...(refused[0] && { lastRejectedTime: timestampFromMs(Math.round(refused[0].last_ms)) }),
    sinks: sinks.map((sink) => {
      const { failed = "0", total = "0" } = tries.get(sink.uid) ?? {};
      const status = statuses.get(sink.uid);
      return {
        sink: sink.name,
        ...(status && { status }),
        succeededAttempts: BigInt(total) - BigInt(failed),
        failedAttempts: BigInt(failed),
      };
    }),
  });
  return { statistics };
}

async function branchOf({ reader }: LedgerParts, stream: string, log: LogDefinition) {
  const { messages, bytes, firstSequence, lastSequence } = await reader.info(log);
  const [first, last] =
    messages > 0
      ? await Promise.all([
          arrivalMs({ reader }, log, { sequence: firstSequence, isLast: false }),
          arrivalMs({ reader }, log, { sequence: lastSequence, isLast: true }),
        ])
      : [];
  return {
    branch: `${stream}/branches/${log.branch}`,
    storedMessages: BigInt(messages),
    storedBytes: BigInt(bytes),
    ...(first !== undefined && { firstTime: timestampFromMs(first) }),
    ...(last !== undefined && { lastTime: timestampFromMs(last) }),
  };
}

async function arrivalMs(
  { reader }: Pick<LedgerParts, "reader">,
  log: LogDefinition,
  { sequence, isLast }: { readonly sequence: number; readonly isLast: boolean },
): Promise<number | undefined> {
  const options = { fromSequence: sequence, maxMessages: 1, maxBytes: 1 << 20 };
  const [message] = await reader.read(log, options);
  const calls = message ? decodeRecordBatch(message.data).calls : [];
  const call = isLast ? calls.at(-1) : calls[0];
  return call && Math.floor(call.arrivalTimeUs / 1_000);
}
