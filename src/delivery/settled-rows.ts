/** What came of the rows of one request. */
import type { HoldInput } from "./held-store.ts";
import type { LaneRow } from "./lane-row.ts";
import type { PreparedOutcome } from "./plan-transform.ts";

/** Rows by what came of them; those that are staged are nowhere. */
export function sortRows(rows: readonly LaneRow[], outcomes: readonly PreparedOutcome[]) {
  const filtered: LaneRow[] = [];
  const held: HoldInput[] = [];
  const isUsual = outcomes.length === rows.length && outcomes.every(isDelivered);
  if (isUsual) return { delivered: rows, filtered, held };
  const delivered: LaneRow[] = [];
  rows.forEach((row, i) => {
    const outcome = outcomes[i];
    if (outcome?.kind === "delivered") delivered.push(row);
    else if (outcome?.kind === "filtered") filtered.push(row);
    else if (outcome?.kind === "reject") held.push({ row, ...outcome });
  });
  return { delivered, filtered, held };
}

const isDelivered = ({ kind }: PreparedOutcome) => kind === "delivered";
