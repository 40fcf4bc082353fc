/** What a pool and its workers say to each other. */
import type { JsonnetErrorKind, LimitName } from "./errors.ts";
import type { Limits } from "./limits.ts";

/** A JsonnetError as data. */
export interface Failure {
  readonly kind: JsonnetErrorKind;
  /** The message with line and column. */
  readonly message: string;
  /** The message without them. */
  readonly reason: string;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
  readonly limit?: LimitName | undefined;
  /** The message of what a host function threw. */
  readonly cause?: unknown;
}

/** What one template made of one record: a value as JSON text without white space, or a failure. */
export type Outcome = { readonly json: string } | { readonly failure: Failure };

/** What a worker is started with. */
export interface WorkerData {
  /** Module of the host functions; undefined for none. */
  readonly functions: string | undefined;
  readonly limits: Partial<Limits>;
  /** One integer: the item under way, so that the pool knows whom to blame for an overrun. */
  readonly progress: SharedArrayBuffer;
}

/** Every template for every record; items are counted record by record. */
export interface Batch {
  readonly templates: readonly string[];
  /** What the host packed the records into: anything that structured clone takes. */
  readonly records: unknown;
  /** Items that were stopped before and are not tried again. */
  readonly stopped: ReadonlySet<number>;
}

/** A worker's answer for each item: JSON text, a failure, or undefined for a stopped one. */
export type Answer = (string | Failure | undefined)[];
