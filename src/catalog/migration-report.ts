/** The report of a migration: the log, read once, against the ledgers of both sinks. */
import { create, type JsonValue, toJson } from "@bufbuild/protobuf";
import {
  MigrationPartitionSchema,
  MigrationReportSchema,
} from "#gen/tributary/management/v1/migration_pb.js";
import { SinkCountsSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import type { MigrationInput } from "./migration-view.ts";
import type { LogTally, SinkCatalog } from "./sink-catalog.ts";
import { loadSink } from "./sink-store.ts";

/** A MigrationReport as JSON. Fails with LOG_UNAVAILABLE. */
export async function reportMigration(
  catalog: SinkCatalog,
  input: MigrationInput,
  { sequence, signal }: { readonly sequence: number; readonly signal: AbortSignal },
): Promise<JsonValue> {
  const { database, masterKey, logs, tallyLog } = catalog;
  const [source, target] = await database.inProject(input.source, async (queries) => [
    (await loadSink(queries, masterKey, input.source)).definition,
    (await loadSink(queries, masterKey, input.target)).definition,
  ]);
  const log = source!.log;
  const info = await logs.info(log);
  const first = Math.max(source!.startSequence, info.firstSequence);
  const before = await tallyLog({ log, first, last: sequence - 1 }, signal);
  const after = await tallyLog({ log, first: sequence, last: info.lastSequence }, signal);
  const sourceCounts = await countsOf(catalog, source!);
  const settled = Number(sourceCounts.pushed - sourceCounts.pending);
  // What the log had and lost to retention was settled before that, or counted as expired.
  const isComplete = settled === before.records;
  return toJson(
    MigrationReportSchema,
    create(MigrationReportSchema, {
      sourceCounts,
      targetCounts: await countsOf(catalog, target!),
      partitions: partitionsOf(before, after),
      sourceRecords: BigInt(before.records),
      targetRecords: BigInt(after.records),
      complete: isComplete,
      missing: BigInt(Math.max(0, before.records - settled)),
    }),
  );
}

function partitionsOf(before: LogTally, after: LogTally) {
  const numbers = new Set([...before.partitions.keys(), ...after.partitions.keys()]);
  return [...numbers]
    .sort((a, b) => a - b)
    .map((partition) => {
      const [left, right] = [before.partitions.get(partition), after.partitions.get(partition)];
      return create(MigrationPartitionSchema, {
        partition,
        sourceRecords: BigInt(left?.records ?? 0),
        sourceHash: left?.hash ?? "",
        targetRecords: BigInt(right?.records ?? 0),
        targetHash: right?.hash ?? "",
      });
    });
}

async function countsOf({ statuses }: SinkCatalog, sink: SinkDefinition) {
  const status = (await statuses.statuses([sink])).get(sink.uid);
  return create(SinkCountsSchema, status?.counts ?? {});
}
