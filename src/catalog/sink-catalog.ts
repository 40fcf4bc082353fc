/** What SinkService needs beyond the other services. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HeldRecord, SinkStatusSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { StagedChunkInfo } from "#gen/tributary/management/v1/sink_service_pb.js";
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import type { ReplayJob } from "../core/replay-job.ts";
import type { MappedRecord } from "../mapping/record-view.ts";
import type { TemplateCompiler } from "../mapping/row-transform.ts";
import type { Place, SinkEnvironment } from "../sinks/sink.ts";
import type { Catalog } from "./catalog.ts";
import type { SinkDrivers } from "./sink-kind.ts";

/** State, position and counts of sinks, as delivery knows them. */
export interface SinkStatusSource {
  /** By uid; a sink that delivery has not met yet may be left out. */
  statuses(
    sinks: readonly SinkDefinition[],
  ): Promise<ReadonlyMap<string, MessageInitShape<typeof SinkStatusSchema>>>;
}

/** A held record, to be mapped again. */
export interface HeldLook {
  readonly record: HeldRecord;
  readonly mapped: MappedRecord;
}

/** Records that could not be delivered. */
export interface HeldRecords {
  /** Newest first; `pageSize` is 1 to 1,000. Fails with PAGE_TOKEN_INVALID. */
  list(
    sink: SinkDefinition,
    page: { readonly pageSize: number; readonly pageToken: string; readonly reason: string },
  ): Promise<{ readonly heldRecords: readonly HeldRecord[]; readonly nextPageToken: string }>;
  /** The held records at places, with the facts that a mapping sees. */
  read(sink: SinkDefinition, places: readonly Place[]): Promise<readonly HeldLook[]>;
  /** Delivers held records again; no places: all that are held now. Gives their number. */
  replay(sink: SinkDefinition, places: readonly Place[]): Promise<number>;
  /** Gives held records up; no places: all that are held now. Gives their number. */
  discard(sink: SinkDefinition, places: readonly Place[]): Promise<number>;
}

/** What the owner of a sink is asked for when its stream moves to another sink. */
export interface SinkHandOver {
  /** Ends a sink at a sequence above all that it delivered, and gives it; idempotent. */
  handOver(sink: SinkDefinition): Promise<number>;
  /** Undoes that, as long as no other sink goes on from there; idempotent. */
  takeBack(sink: SinkDefinition): Promise<void>;
}

/** Rows that wait for their import. */
export interface StagedRows {
  /** Oldest first; `pageSize` is 1 to 200. Fails with PAGE_TOKEN_INVALID and WRONG_STATE. */
  list(
    sink: SinkDefinition,
    pageSize: number,
    pageToken: string,
  ): Promise<{ readonly stagedChunks: readonly StagedChunkInfo[]; readonly nextPageToken: string }>;
  /** Some of the rows as CSV, oldest first. Fails likewise. */
  read(
    sink: SinkDefinition,
    pageToken: string,
  ): Promise<{ readonly csv: Uint8Array; readonly rows: number; readonly nextPageToken: string }>;
  /** Imports all; undefined for a sink that does not stage. */
  flush(
    sink: SinkDefinition,
    signal: AbortSignal,
  ): Promise<
    { readonly imported: number; readonly left: number; readonly cause: string } | undefined
  >;
}

/** What a driver's environment is made of. */
export interface SinkIdentity {
  readonly sinkUid: string;
  readonly sinkName: string;
  readonly logName: string;
  readonly logUid: string;
  readonly schema: Schema;
}

/** What a log holds of one sink's records: counts and hashes by partition. */
export interface LogTally {
  readonly partitions: ReadonlyMap<number, { readonly records: number; readonly hash: string }>;
  readonly records: number;
}

/** The catalog with drivers and what delivery knows. */
export interface SinkCatalog extends Catalog {
  readonly drivers: SinkDrivers;
  /** Checks the templates of mappings. */
  readonly templates: TemplateCompiler;
  readonly environmentOf: (identity: SinkIdentity) => SinkEnvironment;
  readonly statuses: SinkStatusSource;
  readonly held: HeldRecords;
  readonly moves: SinkHandOver;
  /** Counts what a replay would deliver, for about a second; then there are more. */
  readonly countReplay: (
    job: ReplayJob,
  ) => Promise<{ readonly count: number; readonly isExact: boolean }>;
  /** Reads a range of a log, both ends included, and counts and hashes its records. */
  readonly tallyLog: (
    range: { readonly log: ReplayJob["log"]; readonly first: number; readonly last: number },
    signal: AbortSignal,
  ) => Promise<LogTally>;
  readonly staged: StagedRows;
}
