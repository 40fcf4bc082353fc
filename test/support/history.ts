/** What writers sent and were told, and the check of it against what a sink has. */

/** How the call that carried a record ended. */
export type Fate =
  /** Sent, no answer yet or none for good: stored once or not at all. */
  | "unknown"
  /** Acknowledged: must be stored. */
  | "ok"
  /** Refused: must not be stored. */
  | "refused";

/** A record as the writers number them: `n` ascends within `key` in push order. */
export interface Numbered {
  readonly key: string;
  readonly n: number;
}

/** Records by key in the order of their first sending. */
export interface History {
  /** Notes a record before it is sent. */
  invoke(record: Numbered): void;
  settle(record: Numbered, fate: Fate): void;
  fateOf(record: Numbered): Fate | undefined;
  count(fate: Fate): number;
  entries(): Iterable<readonly [key: string, fates: ReadonlyMap<number, Fate>]>;
}

/** What a check found; everything but `acked` and `stored` should be empty. */
export interface Verdict {
  readonly acked: number;
  readonly stored: number;
  /** Acknowledged, not stored. */
  readonly lost: readonly string[];
  /** Stored more than once (each further copy counts). */
  readonly dup: readonly string[];
  /** First deliveries that came after a later record of their key. */
  readonly reorder: readonly string[];
  /** Never sent, or refused, and yet there. */
  readonly invented: readonly string[];
}

/** Makes an empty history. */
export function createHistory(): History {
  const keys = new Map<string, Map<number, Fate>>();
  const counts: Record<Fate, number> = { unknown: 0, ok: 0, refused: 0 };
  return {
    invoke({ key, n }) {
      const fates = keys.get(key) ?? new Map<number, Fate>();
      keys.set(key, fates);
      fates.set(n, "unknown");
      counts.unknown += 1;
    },
    settle({ key, n }, fate) {
      const before = keys.get(key)?.get(n);
      if (before === undefined) throw new Error(`${key}/${n} was never sent`);
      counts[before] -= 1;
      counts[fate] += 1;
      keys.get(key)?.set(n, fate);
    },
    fateOf: ({ key, n }) => keys.get(key)?.get(n),
    count: (fate) => counts[fate],
    entries: () => keys.entries(),
  };
}

/** Judges `rows`, in the order of their delivery, by the history. */
export function checkHistory(history: History, rows: readonly Numbered[]): Verdict {
  const seen = new Set<string>();
  const newest = new Map<string, number>();
  const dup: string[] = [];
  const reorder: string[] = [];
  const invented: string[] = [];
  for (const row of rows) {
    const name = `${row.key}/${row.n}`;
    if (seen.has(name)) {
      dup.push(name);
      continue;
    }
    seen.add(name);
    const fate = history.fateOf(row);
    if (fate === undefined || fate === "refused") invented.push(name);
    const last = newest.get(row.key) ?? -1;
    if (row.n < last) reorder.push(`${name} after ${last}`);
    newest.set(row.key, Math.max(last, row.n));
  }
  const lost: string[] = [];
  for (const [key, fates] of history.entries()) {
    for (const [n, fate] of fates) {
      if (fate === "ok" && !seen.has(`${key}/${n}`)) lost.push(`${key}/${n}`);
    }
  }
  return { acked: history.count("ok"), stored: seen.size, lost, dup, reorder, invented };
}

/** The verdict in a form that a failed test shows well: counts, and the first names of each fault. */
export function faultsOf(
  verdict: Verdict,
  allowed: { dup?: boolean } = {},
): Record<string, string[]> {
  const { lost, dup, reorder, invented } = verdict;
  const faults = { lost, reorder, invented, ...(allowed.dup ? {} : { dup }) };
  return Object.fromEntries(
    Object.entries(faults)
      .filter(([, names]) => names.length > 0)
      .map(([fault, names]) => [fault, [`${names.length} in all`, ...names.slice(0, 10)]]),
  );
}
