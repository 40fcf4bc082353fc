/** Selected records as requests: as many as the sink takes at once, without a wait for more. */
import type { Place } from "../../sinks/sink.ts";
import type { LaneRow } from "../lane-row.ts";
import { placeAfter } from "../place.ts";
import type { SelectedPage } from "./select-rows.ts";

/** Records of one request. */
export interface ReplayBatch {
  readonly rows: readonly LaneRow[];
  /** Where the replay goes on when they are done. */
  readonly next: Place;
}

/** The greatest request. */
export interface BatchLimits {
  readonly countMax: number;
  readonly bytesMax: number;
}

/**
 * Packs records into requests. A batch without records only says that there was nothing up to its
 * `next`, so that long ranges of which little is selected come forward.
 */
export async function* packBatches(
  pages: AsyncIterable<SelectedPage>,
  { countMax, bytesMax }: BatchLimits,
): AsyncGenerator<ReplayBatch> {
  let rows: LaneRow[] = [];
  let bytes = 0;
  let next: Place | undefined;
  for await (const page of pages) {
    for (const row of page.rows) {
      const isFull = rows.length >= countMax || bytes + row.jsonBytes > bytesMax;
      if (rows.length > 0 && isFull) {
        yield { rows, next: placeAfter(rows.at(-1)!.place) };
        rows = [];
        bytes = 0;
      }
      rows.push(row);
      bytes += row.jsonBytes;
    }
    next = page.next;
    if (rows.length === 0) yield { rows, next };
  }
  if (rows.length > 0 && next) yield { rows, next };
}
