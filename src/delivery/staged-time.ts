/** Since when rows are staged, by a clock that is never set: one of the day may be set back meanwhile. */

/** How long before the end of their time the state tells of rows. */
const WARN_MS = 24 * 60 * 60_000;

/** When the oldest rows were staged: in `steady` terms, and in milliseconds since 1970. */
export interface StagedTime {
  readonly steadyMs: number;
  readonly timeMs: number;
}

/** The clocks of a process. */
export interface Clocks {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds of a clock that is never set. */
  readonly steady: () => number;
}

/** A time of the day at which rows were staged, by both clocks; one that lies ahead is now. */
export function stagedAt(timeMs: number, { now, steady }: Clocks): StagedTime {
  return { timeMs, steadyMs: steady() - Math.max(0, now() - timeMs) };
}

/** Tells of rows that wait, and when they expire. */
export function waitingWords(
  rows: number,
  oldest: StagedTime | undefined,
  { keptMs, steady }: { readonly keptMs: number; readonly steady: () => number },
): string {
  if (!oldest) return "";
  const isSoon = oldest.steadyMs + keptMs - steady() < WARN_MS;
  const end = new Date(oldest.timeMs + keptMs).toISOString();
  const expiry = isSoon ? `THE FIRST EXPIRE at ${end}` : `the first expire at ${end}`;
  return `; ${rows} staged rows wait, ${expiry}`;
}
