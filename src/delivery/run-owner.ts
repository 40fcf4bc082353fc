/** What the work of a sink needs from the worker that owns it. */
import type { SinkDefinition } from "../core/definitions.ts";
import type { LogMessage } from "../core/log.ts";
import type { HeldQuota } from "./held-quota.ts";
import type { LaneRow } from "./lane-row.ts";
import type { PushCount } from "./push-count.ts";
import type { SinkNote } from "./sink-note.ts";
import type { RestorePoint, SinkState } from "./sink-state.ts";
import type { WorkerOptions } from "./worker-options.ts";

/** What a run asks of its worker. */
export interface RunOwner {
  readonly definition: SinkDefinition;
  readonly note: SinkNote;
  readonly signal: AbortSignal;
  readonly epoch: number;
  readonly confirmedAtMs: number;
  /** First sequence that retention has left of the log. */
  readonly trimmedBelow: number;
  /** Whether the sink's owner has accepted, by a restart, that records are missing. */
  acceptsLoss: boolean;
  /** When the log was restored from a backup; undefined when it never was. */
  readonly restored: RestorePoint | undefined;
  changed(isUrgent: boolean): void;
  confirm(): Promise<void>;
  claimAbove(epoch: number): Promise<void>;
  /** Counts what the run does not read. */
  count(): Promise<void>;
  fenced(): void;
}

/** What a run is made from. */
export interface RunInput {
  readonly options: WorkerOptions;
  readonly rowsOf: (message: LogMessage) => readonly LaneRow[];
  readonly state: SinkState;
  readonly count: PushCount;
  readonly held: HeldQuota;
}
