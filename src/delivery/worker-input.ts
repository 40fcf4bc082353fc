/** What a worker gets from its shard. */
import type { SinkDefinition } from "../core/definitions.ts";
import type { LogMessage } from "../core/log.ts";
import type { CursorWriter } from "./cursor-writer.ts";
import type { ShardEdge } from "./feed.ts";
import type { LaneRow } from "./lane-row.ts";
import type { TrimMarks } from "./trim-marks.ts";
import type { WorkerOptions } from "./worker-options.ts";

/** What a worker gets from its shard. */
export interface WorkerInput {
  readonly options: WorkerOptions;
  readonly definition: SinkDefinition;
  readonly writer: CursorWriter;
  readonly trims: TrimMarks;
  readonly edge: ShardEdge;
  readonly rowsOf: (message: LogMessage) => readonly LaneRow[];
  /** Another owner has taken over: the worker has stopped. */
  readonly onFenced: () => void;
}
