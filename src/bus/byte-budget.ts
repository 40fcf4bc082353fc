/** Shares a number of bytes between projects. */
export interface ByteBudget {
  /** Whether the bytes fit; if so they are taken until `release`. */
  take(projectUid: string, bytes: number): boolean;
  release(projectUid: string, bytes: number): void;
  /** Bytes taken now, by all projects. */
  taken(): number;
}

/**
 * A budget of `maxBytes` in which one project gets at most `maxShare` (0 to 1) while others hold
 * bytes too. Alone it may take all; one call always fits when nothing is taken.
 */
export function createByteBudget(options: {
  readonly maxBytes: number;
  readonly maxShare: number;
}): ByteBudget {
  const byProject = new Map<string, number>();
  let total = 0;
  return {
    take(projectUid, bytes) {
      const own = byProject.get(projectUid) ?? 0;
      if (total > 0 && total + bytes > options.maxBytes) return false;
      const isShared = total > own;
      if (isShared && own > 0 && own + bytes > options.maxBytes * options.maxShare) return false;
      byProject.set(projectUid, own + bytes);
      total += bytes;
      return true;
    },
    release(projectUid, bytes) {
      const left = (byProject.get(projectUid) ?? 0) - bytes;
      if (left > 0) byProject.set(projectUid, left);
      else byProject.delete(projectUid);
      total -= bytes;
    },
    taken: () => total,
  };
}
