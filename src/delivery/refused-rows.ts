/** Rows that the target refused when staged rows were imported: they become held records. */
import type { LogReader } from "../core/log.ts";
import type { RejectedPlace } from "../sinks/sink.ts";
import type { HeldQuota } from "./held-quota.ts";
import { decodeRows } from "./lane-row.ts";
import type { LaneSet } from "./lane-set.ts";

/** A row that an import left out. */
export interface RefusedRow extends RejectedPlace {
  readonly partition: number;
}

/** What one import left out. */
export interface RefusedRows {
  /** Last chunk of the import: its rows are counted once. */
  readonly sequence: number;
  readonly sinkVersion: number;
  readonly rows: readonly RefusedRow[];
}

/** What holding them needs. */
export interface HoldingParts {
  readonly lanes: LaneSet;
  readonly held: HeldQuota;
  readonly reader: LogReader;
  readonly log: { readonly shard: number; readonly uid: string };
  readonly nowMs: number;
}

/**
 * Copies the records and counts them as held instead of delivered; one that retention has taken
 * meanwhile counts as expired. The caller then stores the cursor: until that is done, a repeat counts
 * nothing twice. Fails with LOG_UNAVAILABLE.
 */
export async function holdRefused(refused: RefusedRows, parts: HoldingParts): Promise<void> {
  const { lanes, held, reader, log, nowMs } = parts;
  const touched = new Set(refused.rows.map((row) => row.partition));
  for (const partition of touched) {
    const found: { row: ReturnType<typeof decodeRows>[number]; reason: string; why: string }[] = [];
    const own = refused.rows.filter((row) => row.partition === partition);
    for (const { place, reason, why } of own) {
      const range = { fromSequence: place.sequence, maxMessages: 1, maxBytes: 1 };
      const [message] = await reader.read(log, range);
      const isThere = message?.sequence === place.sequence;
      const row = isThere ? decodeRows(message)[place.index] : undefined;
      if (row) found.push({ row, reason, why });
    }
    const { state } = lanes.get(partition).lane;
    const { generation } = state;
    const { sinkVersion } = refused;
    await held.putAgain(found, { partition, generation, sinkVersion, holdTimeMs: nowMs });
    if (state.importSequence >= refused.sequence) continue;
    state.counts.delivered -= own.length;
    for (const { row } of found) state.counts.deliveredBytes -= row.json.byteLength;
    state.counts.held += found.length;
    state.counts.expired += own.length - found.length;
    state.importSequence = refused.sequence;
    state.revision += 1;
  }
}
