/** What a sink has staged, for those who look at it or end it; on any node. */
import type { SinkDefinition } from "../core/definitions.ts";
import { fail } from "../core/errors.ts";
import type { StagedChunk } from "../sinks/staging.ts";
import { flushStaged, type StagedFlush } from "./staged-flush.ts";
import { stagingLimitsOf } from "./staging-status.ts";
import type { WorkerOptions } from "./worker-options.ts";

/** Bytes that one page reads. */
const LIST_BYTES = 16 * 1024 * 1024;

/** Staged rows of any sink. Everything fails with LOG_UNAVAILABLE. */
export interface StagedRecords {
  /**
   * Chunks after one, oldest first, up to so many, or so many bytes. Fails with WRONG_STATE when the sink
   * does not stage.
   */
  chunks(
    sink: SinkDefinition,
    range: {
      readonly afterSequence: number;
      readonly maxChunks: number;
      readonly maxBytes?: number;
    },
  ): Promise<{ readonly chunks: readonly StagedChunk[]; readonly keptMs: number }>;
  /** Imports everything; undefined when the sink does not stage. */
  flush(sink: SinkDefinition, signal: AbortSignal): Promise<StagedFlush | undefined>;
  /** Bytes of staged rows of the sinks of a shard that is owned here, by the uid of their project. */
  bytesOf(shard: number): ReadonlyMap<string, number>;
}

/** Makes it from what the workers have. */
export function createStagedRecords(
  options: WorkerOptions,
  bytesOf: (shard: number) => ReadonlyMap<string, number> | undefined,
): StagedRecords {
  const areaOf = (sink: SinkDefinition) =>
    stagingLimitsOf(sink, options.drivers) && options.staging;
  return {
    bytesOf: (shard) => bytesOf(shard) ?? new Map(),
    async chunks(sink, { afterSequence, maxChunks, maxBytes = LIST_BYTES }) {
      const area = areaOf(sink);
      if (!area) throw fail("WRONG_STATE", "the sink stages no rows: they go out at once");
      const { value } = await area.store.state(sink.uid);
      const after = Math.max(afterSequence, Number(value.doneSequence));
      const range = { afterSequence: after, maxBytes, maxChunks };
      return { chunks: await area.store.chunks(sink.uid, range), keptMs: area.keptMs };
    },
    async flush(sink, signal) {
      const area = areaOf(sink);
      return area && (await flushStaged({ ...options, area }, sink, signal));
    },
  };
}
