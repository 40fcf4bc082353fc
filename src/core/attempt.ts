/** How delivery tells of its attempts. Who keeps them stands behind this. */
import type { Attempt_State } from "#gen/tributary/management/v1/attempt_pb.js";
import type { SinkDefinition } from "./definitions.ts";
import type { Exchange } from "./exchange.ts";

/** A record's place: message of the shard, and position in it. */
interface Place {
  readonly sequence: number;
  readonly index: number;
}

/** One attempt that has ended. */
export interface AttemptNote {
  readonly sink: SinkDefinition;
  /** Version of the sink that was applied. */
  readonly version: number;
  readonly requestId: string;
  /** 1 for the first try of the request. */
  readonly number: number;
  readonly partition: number;
  /** Milliseconds since 1970. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly state: Attempt_State;
  /** One word in upper case; empty when nothing failed. */
  readonly reason: string;
  readonly why: string;
  /** What the request held, filtered records included; inclusive, ascending. */
  readonly ranges: readonly { readonly from: Place; readonly to: Place }[];
  readonly records: number;
  readonly filtered: number;
  readonly held: number;
  readonly isReplay: boolean;
  readonly isFlush: boolean;
  readonly exchanges: readonly Exchange[];
}

/** Keeps attempts. */
export interface AttemptLog {
  /** Takes note; returns at once, never throws, and drops what is too much. */
  note(attempt: AttemptNote): void;
}
