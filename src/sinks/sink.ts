/**
 * The contract of every kind of sink. A driver is a pure half (`check`) and a live half (`open`).
 * Timeouts, retries, concurrency, masking of secrets and shutdown belong to delivery, never to a
 * driver: a driver does one thing once, honours the signal, and says what came of each row.
 */

import type { Sink } from "#gen/tributary/management/v1/sink_pb.js";
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import type { FieldViolation } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { StagingDriver, StagingPort } from "./staging.ts";

/** Kinds of sinks: the cases of the oneof in sink.proto. */
export type SinkKind = NonNullable<Sink["config"]["case"]>;

/** Configuration message of a kind. */
export type ConfigOf<K extends SinkKind> = Extract<Sink["config"], { case: K }>["value"];

/** Place of a record: sequence of its message, and index within it. */
export interface Place {
  readonly sequence: number;
  readonly index: number;
}

/** One record on its way to a sink. */
export interface SinkRow {
  readonly place: Place;
  /** UUID version 7, the same for every sink and attempt. */
  readonly recordId: string;
  /** The record as JSON text in UTF-8, byte for byte as pushed. */
  readonly json: Uint8Array;
  readonly arrivalTimeUs: number;
  /** The producer's own id; empty for none. */
  readonly producerId: string;
  readonly schemaVersion: number;
  /** Kafka's murmur2 of the key of the record; undefined on a stream without keys. */
  readonly keyHash?: number | undefined;
  /** The record as it is stored, where `json` is what a mapping has made of it. */
  readonly stored?: Pick<SinkRow, "json"> | undefined;
  /** Request headers that the source kept: names in lower case, in the order of the request. */
  readonly headers?: readonly { readonly name: string; readonly value: string }[] | undefined;
}

/**
 * The canonical key of a row, as it was hashed when the record was pushed; undefined for a stream
 * without keys. `generation` is that of its request.
 */
export type KeyReader = (row: SinkRow, generation: number) => string | undefined;

/** One planned request: a repeat, also after a crash, has the same id and the same rows. */
export interface SinkRequest {
  /** Stable id of the request, at most 64 characters of URL-safe text. */
  readonly id: string;
  readonly partition: number;
  readonly generation: number;
  readonly epoch: number;
  readonly rows: readonly SinkRow[];
  /** Whether rows are replayed by request rather than delivered in turn. */
  readonly isReplay: boolean;
  /**
   * Rows of the plan that could not even be mapped: a sink that keeps the cursor keeps them beside it,
   * as it keeps those that it refused itself.
   */
  readonly rejects?: readonly RejectedPlace[];
  /**
   * Opaque state of the cursor after this request, for sinks that keep it in their own transaction
   * (`keepsCursor`). At most 256 KiB.
   */
  readonly cursor?: Uint8Array;
  /**
   * Id of the request before it, when that is still under way (`OpenSink.isPipelined`): the cursor says what
   * is true once that one has delivered all its rows and this one too, so nothing may be stored otherwise.
   */
  readonly after?: string;
}

/**
 * What came of one row.
 * - `delivered`: confirmed by the destination.
 * - `staged`: taken, and settled by a later `flush` (or by `onSettled`).
 * - `reject`: this row can never be delivered; it is to be held.
 */
export type RowOutcome =
  | { readonly kind: "delivered" }
  | { readonly kind: "staged" }
  | { readonly kind: "reject"; readonly reason: string; readonly why: string };

/**
 * What came of a request.
 * - `rows`: one outcome for each row, in order.
 * - `retry` with scope `sink`: connection, timeout, 5xx, 429, 401, 403 …: the same request again.
 * - `retry` with scope `request`: refused as a whole (400, 413, 422 for several rows): delivery halves it
 *   until one row remains, and that one is held.
 * - `fenced`: another owner with a higher epoch has taken over; stop.
 * - `pause`: the destination asks for no more (410).
 * - `behind`: only for a request with `after`: that one did not end as this one assumes, or what came of this
 *   one is not known. It is sent again when its turn comes, which also finds out.
 */
export type RequestOutcome =
  | { readonly kind: "rows"; readonly outcomes: readonly RowOutcome[] }
  | {
      readonly kind: "retry";
      readonly scope: "sink" | "request";
      readonly reason: string;
      readonly why: string;
      /** The destination's own wish (`Retry-After`). */
      readonly afterMs?: number;
      /** Whether this failure counts as an attempt (429 and 503 do not). */
      readonly burnsAttempt: boolean;
    }
  | { readonly kind: "fenced" }
  | { readonly kind: "pause"; readonly reason: string; readonly why: string }
  | { readonly kind: "behind" };

/** A row that the destination refused, by its place. */
export interface RejectedPlace {
  readonly place: Place;
  readonly reason: string;
  readonly why: string;
}

/** What `resume` finds: the cursor that the target keeps, with the epoch it was written in. */
export interface KeptCursor {
  readonly epoch: number;
  readonly cursor: Uint8Array;
  /**
   * Rows that the request of this cursor had refused: they are behind the cursor, so a crash between
   * its commit and holding them would lose them. Hold them (again) before the next request.
   */
  readonly rejects: readonly RejectedPlace[];
}

/**
 * An open sink. For one that keeps the cursor, `write` is not called twice at once for one partition, unless it
 * is pipelined.
 */
export interface OpenSink {
  /**
   * For sinks that keep the cursor: `write` may be called with the next request of a partition (`after`) while
   * one is under way.
   */
  readonly isPipelined?: boolean;
  /**
   * For sinks that keep the cursor: claims the partition for `epoch` in the target (so that writes of
   * lower epochs fail as `fenced`) and gives the cursor found there; undefined for a new one. Throws
   * SinkFault `FENCED`, with `targetEpoch`, when a higher epoch is there.
   */
  resume?(partition: number, epoch: number): Promise<KeptCursor | undefined>;
  write(request: SinkRequest, signal: AbortSignal): Promise<RequestOutcome>;
  /** Settles what is staged; gives the places that are durable now. */
  flush?(
    reason: "time" | "bytes" | "count" | "close",
    signal: AbortSignal,
  ): Promise<readonly Place[]>;
  close(): Promise<void>;
}

/** Records for another stream. */
export interface FeedBatch {
  /** `projects/{p}/streams/{s}`. */
  readonly stream: string;
  /** Branch id. */
  readonly branch: string;
  /** Uid of the sink that feeds. */
  readonly sinkUid: string;
  /** The same for a repeat of the same rows. */
  readonly idempotencyKey: string;
  readonly rows: readonly SinkRow[];
}

/** The way into streams, as drivers see it. Its errors are those of pushes. */
export interface StreamFeed {
  /** Fails when there is no such stream or branch, or it takes no records now. */
  check(stream: string, branch: string): Promise<void>;
  /** Stores all rows, or none; a repeat within the window of idempotency stores nothing. */
  push(batch: FeedBatch): Promise<void>;
}

/** A template of bodies; what it throws is a fault of the records. */
export interface BodyTemplate {
  /** JSON text that is made of JSON text, away from the event loop and within budgets. */
  run(
    input: { readonly json: string; readonly timeMs: number },
    signal: AbortSignal,
  ): Promise<{ readonly json: string } | { readonly fault: string }>;
}

/** Compiles templates of bodies. */
export interface BodyTemplates {
  /** A string says what is wrong: `line:column: text`. */
  compile(source: string): BodyTemplate | string;
}

/** What a driver may use. */
export interface SinkEnvironment {
  readonly logger: Logger;
  /** Identity of the sink, for names in the target. */
  readonly sinkUid: string;
  readonly sinkName: string;
  /** Title of the log, `projects/{p}/streams/{s}/branches/{b}`. */
  readonly logName: string;
  readonly logUid: string;
  /** Newest schema of the stream, or that of the rows a mapping makes of its records. */
  readonly schema: Schema;
  /** Version of the stream's schema; not set when a destination is only tested. */
  readonly schemaVersion?: number;
  /** How long the stream keeps its records; not set when a destination is only tested. */
  readonly retentionAgeMs?: number;
  /** Admin URL of the embedded database for sinks; undefined without one. */
  readonly embeddedDatabaseUrl: string | undefined;
  /** Whether sinks may reach loopback addresses (only with embedded servers, unless set). */
  readonly isLoopbackAllowed: boolean;
  /** CIDRs that the operator allows although they are private. */
  readonly egressAllowList: readonly string[];
  /** DNS servers to ask; the system's when there are none. */
  readonly dnsServers?: readonly string[] | undefined;
  /** Reads keys of rows; not set when a destination is only tested. */
  readonly keyOf?: KeyReader | undefined;
  /** Templates of bodies; undefined where there are none. */
  readonly templates?: BodyTemplates | undefined;
  /** The way into other streams; undefined where there is none. */
  readonly feed?: StreamFeed | undefined;
  /** Root folder of file sinks. */
  readonly fileSinkDir: string;
  /** Where rows of this sink are staged; undefined where there is no such place, as in tests of destinations. */
  readonly staging?: StagingPort | undefined;
  /** Stores, reads and removes an object of the bucket for staged rows; undefined where there is none. */
  readonly tryStagingBucket?: (() => Promise<void>) | undefined;
  /** The server's own identity at AWS, which assumes the roles of sinks without keys. */
  readonly awsIdentity?: AwsKeys | undefined;
}

/** An access key of AWS. */
export interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** One stage of a test of a destination. */
export interface TestStageResult {
  readonly name: string;
  readonly isOk: boolean;
  readonly message: string;
  readonly durationMs: number;
  /** Text to copy that mends a failure. */
  readonly remedy?: string;
}

/** What a configuration is checked against. */
export interface CheckContext {
  readonly schema: Schema;
  readonly templates?: BodyTemplates | undefined;
}

/** A kind of sink. */
export interface SinkDriver<K extends SinkKind> {
  /** Batch defaults of the kind. */
  readonly defaults: { readonly count: number; readonly bytes: number; readonly timeMs: number };
  /** Highest batch count of the kind. */
  readonly countMax: number;
  /** A lower one that the configuration asks for. */
  countMaxOf?(config: ConfigOf<K>): number;
  /** Whether a batch waits for its time when none is set: for kinds whose requests should be large. */
  readonly gathers?: boolean;
  /** Whether the cursor lives in the target's own transaction (exactly once). */
  readonly keepsCursor: boolean;
  /**
   * How many requests may be in flight for one partition: of disjoint keys, or, where the target keeps the
   * cursor and is pipelined, one after the other.
   */
  readonly concurrency: number;
  /** Faults of the configuration, by field path below the config (pure, no I/O). */
  check(config: ConfigOf<K>, context: CheckContext): FieldViolation[];
  /** What may not change once a sink is made, by field path below the config. */
  checkChange?(config: ConfigOf<K>, saved: ConfigOf<K>): FieldViolation[];
  /** Opens the destination for delivery; a throw is a failure of scope `sink`. */
  open(config: ConfigOf<K>, env: SinkEnvironment): Promise<OpenSink>;
  /**
   * Tries a destination stage by stage (resolve, connect, authenticate, describe, write) and stops at
   * the first failure. With `prepare`, makes what is missing (such as a table), as creation does.
   */
  test(
    config: ConfigOf<K>,
    env: SinkEnvironment,
    options: { readonly prepare: boolean; readonly signal: AbortSignal },
  ): Promise<readonly TestStageResult[]>;
  /** The configuration with the primary key that a mapping names, for kinds that have one. */
  withKey?(config: ConfigOf<K>, primaryKey: readonly string[]): ConfigOf<K>;
  /** What kinds do that can stage their rows. */
  readonly staging?: StagingDriver<K>;
  /** The configuration as it may be returned: secrets masked. */
  mask(config: ConfigOf<K>): ConfigOf<K>;
  /** A new configuration with empty secrets filled from the saved one. */
  keepSecrets(config: ConfigOf<K>, saved: ConfigOf<K>): ConfigOf<K>;
}
