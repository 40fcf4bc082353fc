/** The staged rows of a process: what is stored, who adds to it, and who waits to import it. */
import type { KeyedLog } from "../bus/index.ts";
import { STAGED_KEPT_MS } from "../sinks/staging.ts";
import type { StagingObjects } from "./staging-objects.ts";
import { createStagingPorts, type StagingPorts } from "./staging-port.ts";
import { createStagingStore, type StagingStore } from "./staging-store.ts";

/** Imports of a process at once: each holds up to 16 MiB of rows. */
const IMPORTS_AT_ONCE = 2;

/** Imported rows of one sink that are kept where nothing else is said. */
const KEPT_BYTES = 256 * 1024 * 1024;

/** Where an import may be cut off by a crash; tests kill a process at each of them. */
export const STAGING_POINTS = ["staged", "read", "imported", "noted", "removed"] as const;

/** One of these points. */
export type StagingPoint = (typeof STAGING_POINTS)[number];

/** Who imports the rows of one sink here. */
export interface StagingWatcher {
  /** Bytes that wait, as far as it knows. */
  readonly bytes: number;
  staged(added: { readonly rows: number; readonly bytes: number }): void;
}

/** What staging can be given beside its store. */
export interface StagingSettings {
  /** How long rows are kept that cannot be imported; 7 days. */
  readonly keptMs?: number;
  /** Bytes of imported rows that are kept of one sink for as long, at most; 256 MiB. */
  readonly keptBytes?: number;
  /** Where the lines are kept; with the rest of it when left out. */
  readonly objects?: StagingObjects;
  /** Called at each point, before anything else happens. */
  readonly at?: (point: StagingPoint) => void;
}

/** The staged rows as the parts of delivery share them. */
export interface StagingArea {
  readonly store: StagingStore;
  readonly ports: StagingPorts;
  readonly keptMs: number;
  readonly keptBytes: number;
  readonly at: (point: StagingPoint) => void;
  /** Tells one watcher of each sink what is staged; the function returned ends it. */
  watch(sinkUid: string, watcher: StagingWatcher): () => void;
  /** Does `work` when it is its turn: imports take memory. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
}

/** Makes the area of a process. */
export function createStagingArea(log: KeyedLog, settings: StagingSettings = {}): StagingArea {
  const store = createStagingStore(log, settings.objects);
  const watchers = new Map<string, StagingWatcher>();
  const waiting: (() => void)[] = [];
  const at = settings.at ?? (() => undefined);
  let running = 0;
  return {
    store,
    at,
    keptMs: settings.keptMs ?? STAGED_KEPT_MS,
    keptBytes: settings.keptBytes ?? KEPT_BYTES,
    ports: createStagingPorts({
      store,
      onStaged(uid, added) {
        at("staged");
        watchers.get(uid)?.staged(added);
      },
      bytesOf: (uid) => watchers.get(uid)?.bytes ?? 0,
    }),
    watch(uid, watcher) {
      watchers.set(uid, watcher);
      return () => {
        if (watchers.get(uid) === watcher) watchers.delete(uid);
      };
    },
    async inTurn(work) {
      while (running >= IMPORTS_AT_ONCE) await new Promise<void>((go) => waiting.push(go));
      running += 1;
      try {
        return await work();
      } finally {
        running -= 1;
        waiting.shift()?.();
      }
    },
  };
}
