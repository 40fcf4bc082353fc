/** What SinkService needs beyond the other services. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HeldRecord, SinkStatusSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import type { ReplayJob } from "../core/replay-job.ts";
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

/** Records that could not be delivered. */
export interface HeldRecords {
  /** Newest first; `pageSize` is 1 to 1,000. Fails with PAGE_TOKEN_INVALID. */
  list(
    sink: SinkDefinition,
    pageSize: number,
    pageToken: string,
  ): Promise<{ readonly heldRecords: readonly HeldRecord[]; readonly nextPageToken: string }>;
  /** Delivers held records again; no places: all that are held now. Gives their number. */
  replay(sink: SinkDefinition, places: readonly Place[]): Promise<number>;
  /** Gives held records up; no places: all that are held now. Gives their number. */
  discard(sink: SinkDefinition, places: readonly Place[]): Promise<number>;
}

/** What a driver's environment is made of. */
export interface SinkIdentity {
  readonly sinkUid: string;
  readonly sinkName: string;
  readonly logName: string;
  readonly logUid: string;
  readonly schema: Schema;
}

/** The catalog with drivers and what delivery knows. */
export interface SinkCatalog extends Catalog {
  readonly drivers: SinkDrivers;
  /** Checks the templates of mappings. */
  readonly templates: TemplateCompiler;
  readonly environmentOf: (identity: SinkIdentity) => SinkEnvironment;
  readonly statuses: SinkStatusSource;
  readonly held: HeldRecords;
  /** Counts what a replay would deliver, for about a second; then there are more. */
  readonly countReplay: (
    job: ReplayJob,
  ) => Promise<{ readonly count: number; readonly isExact: boolean }>;
}
