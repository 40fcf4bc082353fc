/**
 * Counts of wrong secrets and of calls that every node hears of, so that who is turned away by one is
 * not welcome at the next. Nodes tell each other in bursts of 20 ms, over core NATS and without
 * storing anything: no call waits, and while NATS is away each node counts for itself. So much more
 * than a limit as comes to all nodes within such a burst may pass.
 */
import { randomUUID } from "node:crypto";

/** How nodes tell each other; nobody answers. */
export interface NodeWords {
  /** Sends to every node that hears this name, this one too. Nothing happens while NATS is away. */
  tell(name: string, words: string): void;
  /** Hears until the function returned is called. */
  hear(name: string, listener: (words: string) => void): () => void;
}

/** What takes part in one kind of counts: it is told others' and gives a function to tell its own. */
export type ShareCounts = (
  kind: string,
  take: (key: string, count: number) => void,
) => (key: string, count: number) => void;

/** Open counts. */
export interface SharedCounts {
  readonly share: ShareCounts;
  close(): void;
}

const NAME = "counts";
const BURST_MS = 20;
/** Keys of one burst; counts of further ones stay on this node. */
const KEYS_MAX = 2_000;

interface Burst {
  readonly from: string;
  readonly counts: readonly (readonly [kind: string, key: string, count: number])[];
}

/** Opens them. */
export function openSharedCounts(nodes: NodeWords): SharedCounts {
  const from = randomUUID();
  const takers = new Map<string, (key: string, count: number) => void>();
  let waiting = new Map<string, [string, string, number]>();
  let timer: NodeJS.Timeout | undefined;
  const stop = nodes.hear(NAME, (words) => {
    const burst = JSON.parse(words) as Burst;
    if (burst.from === from) return;
    for (const [kind, key, count] of burst.counts) takers.get(kind)?.(key, count);
  });
  const flush = () => {
    timer = undefined;
    const counts = [...waiting.values()].filter(([, , count]) => count !== 0);
    waiting = new Map();
    if (counts.length > 0) nodes.tell(NAME, JSON.stringify({ from, counts } satisfies Burst));
  };
  return {
    share(kind, take) {
      takers.set(kind, take);
      return (key, count) => {
        const name = `${kind} ${key}`;
        const known = waiting.get(name);
        if (known) known[2] += count;
        else if (waiting.size < KEYS_MAX) waiting.set(name, [kind, key, count]);
        timer ??= setTimeout(flush, BURST_MS).unref();
      };
    },
    close() {
      clearTimeout(timer);
      stop();
    },
  };
}
