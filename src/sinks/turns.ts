/** One piece of work at a time for each name, in the order of asking. */
export type Turns = <T>(name: string, work: () => Promise<T>) => Promise<T>;

/** Makes the turns; a name that nobody waits for costs nothing. */
export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>();
  return (name, work) => {
    const result = (last.get(name) ?? Promise.resolve()).then(work);
    const settled = result
      .catch(() => undefined)
      .then(() => {
        if (last.get(name) === settled) last.delete(name);
      });
    last.set(name, settled);
    return result;
  };
}
