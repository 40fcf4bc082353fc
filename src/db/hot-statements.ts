/**
 * Which statements a connection keeps prepared. One that is not takes two round trips, the first to hear
 * the types of its parameters, and is parsed and planned each time: half of what the database costs where
 * the same few statements run all day. A prepared one stays in the memory of each connection's process,
 * and postgres.js never lets go of it, so it must be one that comes again and again.
 */

/** Uses after which a statement is hot. */
const HOT_AFTER = 20;
/** Statements that are prepared at most; each takes some 20 kB of a connection. */
const PREPARED_MAX = 100;
/** Statements whose uses are counted; then the count begins anew. */
const COUNTED_MAX = 2_000;

/** Tells whether a statement is to be prepared, and counts this use of it. */
export function createHotStatements(): (text: string) => boolean {
  const prepared = new Set<string>();
  const uses = new Map<string, number>();
  return (text) => {
    if (prepared.has(text)) return true;
    if (prepared.size >= PREPARED_MAX) return false;
    const count = (uses.get(text) ?? 0) + 1;
    if (count < HOT_AFTER) {
      if (uses.size >= COUNTED_MAX) uses.clear();
      uses.set(text, count);
      return false;
    }
    uses.delete(text);
    prepared.add(text);
    return true;
  };
}
