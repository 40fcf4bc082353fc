/** What a sink has staged, for those who look at it or end it; on any node. */
import type { SinkDefinition } from "../core/definitions.ts";
import { fail } from "../core/errors.ts";
import type { Place } from "../sinks/sink.ts";
import type { StagedChunk } from "../sinks/staging.ts";
import { comparePlaces } from "./place.ts";
import { flushStaged, type StagedFlush } from "./staged-flush.ts";
import { stagingLimitsOf } from "./staging-status.ts";
import type { WorkerOptions } from "./worker-options.ts";

/** Bytes that one page reads. */
const LIST_BYTES = 16 * 1024 * 1024;
/** Chunks of one page where a record is looked for. */
const LOOKED_AT = 1_000;

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
  /** Whether the row of a record waits for its import; false as well when the sink does not stage. */
  holds(sink: SinkDefinition, place: Place): Promise<boolean>;
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
  const readPage: StagedRecords["chunks"] = async (sink, range) => {
    const { afterSequence, maxChunks, maxBytes = LIST_BYTES } = range;
    const area = areaOf(sink);
    if (!area) throw fail("WRONG_STATE", "the sink stages no rows: they go out at once");
    const { value } = await area.store.state(sink.uid);
    const after = Math.max(afterSequence, Number(value.doneSequence));
    const page = { afterSequence: after, maxBytes, maxChunks };
    return { chunks: await area.store.chunks(sink.uid, page), keptMs: area.keptMs };
  };
  return {
    bytesOf: (shard) => bytesOf(shard) ?? new Map(),
    chunks: readPage,
    async holds(sink, place) {
      if (!areaOf(sink)) return false;
      for (let afterSequence = 0; ; ) {
        const { chunks } = await readPage(sink, { afterSequence, maxChunks: LOOKED_AT });
        const isIts = (other: Place) => comparePlaces(other, place) === 0;
        if (chunks.some(({ places }) => places.some(isIts))) return true;
        const last = chunks.at(-1);
        if (!last) return false;
        afterSequence = last.sequence;
      }
    },
    async flush(sink, signal) {
      const area = areaOf(sink);
      return area && (await flushStaged({ ...options, area }, sink, signal));
    },
  };
}
