/** Importing everything that a sink has staged, on whatever node somebody asks: before its deletion. */
import type { SinkDefinition } from "../core/definitions.ts";
import { type ImportParts, importBatch } from "./staged-batch.ts";

/** What came of it. */
export interface StagedFlush {
  readonly imported: number;
  /** Rows that are still staged. */
  readonly left: number;
  /** Why they are. */
  readonly cause: string;
}

/** Imports all, until a failure or the signal. Fails with LOG_UNAVAILABLE. */
export async function flushStaged(
  parts: ImportParts,
  sink: SinkDefinition,
  signal: AbortSignal,
): Promise<StagedFlush> {
  let imported = 0;
  let cause = "";
  try {
    for (;;) {
      const done = await importBatch(parts, sink, { signal });
      if (!done) break;
      imported += done.rows;
    }
  } catch (error) {
    cause = error instanceof Error ? error.message : String(error);
  }
  const { rows: left } = await parts.area.store.fill(sink.uid);
  return { imported, left, cause: left > 0 ? cause : "" };
}
