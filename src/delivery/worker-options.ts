/** What the workers of a node share. */
import type { KeyedStore } from "../bus/index.ts";
import type { AttemptLog } from "../core/attempt.ts";
import type { Definitions } from "../core/definitions.ts";
import type { LogReader } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import type { TemplateCompiler } from "../mapping/row-transform.ts";
import type { AtPoint } from "./crash-points.ts";
import type { DestinationEnvironment } from "./destinations.ts";
import type { HeldLimits } from "./held-quota.ts";
import type { HeldStore } from "./held-store.ts";
import type { StagingArea } from "./staging-area.ts";
import type { DriverTable } from "./version-table.ts";

/** Bytes of records in queues, of all sinks of a node. */
export interface QueueBudget {
  used: number;
  readonly max: number;
}

/** Logs whose records are kept beyond their retention, in archives. */
export interface KeptLogs {
  /** Whether everything that retention takes from a log is kept from now on. */
  isKept(logUid: string): boolean;
  /** First sequence that is kept of a log; undefined for none. Rejects while that cannot be known. */
  keptFrom(logUid: string): Promise<number | undefined>;
}

/** What the workers of a node share. */
export interface WorkerOptions {
  readonly definitions: Definitions;
  /** Parked keys that a cursor holds itself. */
  readonly freshKeysMax: number;
  readonly reader: LogReader;
  /** Archives that `reader` reads across; undefined where there are none. */
  readonly kept: KeptLogs | undefined;
  readonly cursors: KeyedStore;
  readonly held: HeldStore;
  readonly heldLimits: HeldLimits;
  /** Where rows of sinks are staged; undefined where they cannot be. */
  readonly staging: StagingArea | undefined;
  readonly drivers: DriverTable;
  readonly templates: TemplateCompiler;
  readonly environment: DestinationEnvironment;
  readonly logger: Logger;
  /** Is told of every attempt; undefined when nobody wants to know. */
  readonly attempts: AttemptLog | undefined;
  /** Uids of deleted sinks that can be brought back. */
  readonly keptSinks: () => Promise<ReadonlySet<string>>;
  /** Milliseconds since 1970: for what is stored and shown, never for a wait. */
  readonly now: () => number;
  /** Milliseconds that no change of the clock moves: for waits, batches, paces. */
  readonly steady: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  /** Armed by tests only. */
  readonly at: AtPoint | undefined;
  /** Random name of this node's engine. */
  readonly owner: string;
  readonly budget: QueueBudget;
  /** How often idle destinations are closed, and what deleted sinks have left is removed. */
  readonly sweepEveryMs: number;
}
