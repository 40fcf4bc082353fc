/**
 * Rows that wait in the server's own storage for an import into their table: what drivers that stage
 * and delivery, which keeps what is staged, know of each other.
 */
import type {
  ConfigOf,
  KeptCursor,
  Place,
  RejectedPlace,
  RequestOutcome,
  SinkEnvironment,
  SinkKind,
  SinkRequest,
} from "./sink.ts";
import { SinkFault } from "./sink-fault.ts";

/** How long staged rows are kept when they cannot be imported. */
export const STAGED_KEPT_MS = 7 * 24 * 60 * 60_000;

/** A column of staged rows, as it was when they were staged. */
export interface StagedColumn {
  readonly name: string;
  readonly sqlType: string;
  readonly isNullable: boolean;
  /** Whether the table has it: what marks a deletion is only looked at. */
  readonly isStored: boolean;
}

/** Where lines are kept: in the bucket of the installation, or with their places. */
export type StagedStore = "bucket" | "log";

/** The rows of one request as they are staged. */
export interface StagedRows {
  /** In the bucket, where there is one, when left out. */
  readonly store?: StagedStore | undefined;
  readonly columns: readonly StagedColumn[];
  /** Lines of CSV with their line break, each with the index of its row within the request. */
  readonly lines: readonly { readonly index: number; readonly csv: string }[];
  /** Rows that cannot be staged. */
  readonly bad: readonly {
    readonly index: number;
    readonly reason: string;
    readonly why: string;
  }[];
}

/** The staging of one version of a sink. It keeps the cursor together with the rows. */
export interface StagingPort {
  /** As `OpenSink.resume`. */
  claim(partition: number, epoch: number): Promise<KeptCursor | undefined>;
  /** Stores the rows of a request and its cursor, all or nothing, and once only. As `OpenSink.write`. */
  append(request: SinkRequest, rows: StagedRows): Promise<RequestOutcome>;
}

/** Rows that were staged together. */
export interface StagedChunk {
  /** Later chunks have greater ones. */
  readonly sequence: number;
  readonly timeMs: number;
  readonly sinkVersion: number;
  readonly partition: number;
  /** Whether the rows were delivered again by request: a table may have them. */
  readonly isReplay: boolean;
  readonly columns: readonly StagedColumn[];
  readonly places: readonly Place[];
  /** Bytes of each line. */
  readonly lineBytes: readonly number[];
  /** RFC 4180 without a header. */
  readonly csv: Uint8Array;
}

/** What one import takes: chunks of one version of the sink, ascending. */
export interface StagedBatch {
  /** Identity of the staging: its sequences mean nothing beside another one's. */
  readonly identity: string;
  /** Names that it had until it was restored from a backup, each with the last sequence it is valid for. */
  readonly former: readonly { readonly identity: string; readonly lastSequence: number }[];
  /** None when only the target's memory is to be compared. */
  readonly chunks: readonly StagedChunk[];
  /** Last chunk of this version that was imported; 0 for none. */
  readonly imported: number;
  /** Whether rows that the target refuses may be left out; if not, they fail the import. */
  readonly isRefusalAllowed: boolean;
}

/** Thrown by an import whose target remembers less than was imported: it was restored from a backup. */
export class TargetBehind extends SinkFault {
  /** Last chunk that the target has. */
  readonly sequence: number;
  /** When the target took it, in milliseconds since 1970; undefined when it never did. */
  readonly sinceMs: number | undefined;

  constructor(sequence: number, sinceMs: number | undefined) {
    super("TARGET_BEHIND", "the table's database has forgotten imports, as one from a backup has");
    this.sequence = sequence;
    this.sinceMs = sinceMs;
  }
}

/** When staged rows are imported: whichever is reached first. */
export interface StagingLimits {
  readonly timeMs: number;
  readonly bytes: number;
  readonly count: number;
}

/** What a driver that can stage does. */
export interface StagingDriver<K extends SinkKind> {
  /** The conditions; undefined when this configuration does not stage. */
  limitsOf(config: ConfigOf<K>): StagingLimits | undefined;
  /**
   * Takes staged rows into the target in one transaction that also remembers how far the staging was
   * imported, so that a repeat changes nothing. Gives the rows that the target refused by their values,
   * and gives them again when it is repeated. Throws a SinkFault when rows cannot be taken, and TargetBehind,
   * before anything else, when the target remembers less than `imported`.
   * `newest` is the newest version's configuration, whose way to the same database is used.
   */
  import(
    configs: { readonly config: ConfigOf<K>; readonly newest: ConfigOf<K> },
    env: SinkEnvironment,
    options: { readonly batch: StagedBatch; readonly signal: AbortSignal },
  ): Promise<readonly RejectedPlace[]>;
}
