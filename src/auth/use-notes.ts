/** Notes when applications and tokens were last used, without making a call wait for it. */
import type { Logger } from "../core/logger.ts";

/** Notes that wait to be saved. */
export interface UseNotes {
  /** Notes a use now; never waits or fails. */
  readonly note: (id: string) => void;
  /** Saves what is noted, which also happens every 10 s. What cannot be saved is dropped. */
  flush(): Promise<void>;
  /** Saves and stops. */
  close(): Promise<void>;
}

/** Where notes go. */
export interface UseNotesOptions {
  /** Writes one time to the database. */
  readonly save: (id: string, time: Date) => Promise<void>;
  readonly logger: Logger;
  readonly now?: () => number;
  readonly flushMs?: number;
}

/** Ids noted between two flushes; more are forgotten until the next. */
const NOTED_MAX = 10_000;

/** Begins to save every 10 s; `close` it. */
export function createUseNotes(options: UseNotesOptions): UseNotes {
  const { save, logger, now = Date.now, flushMs = 10_000 } = options;
  let noted = new Map<string, number>();
  let flushing: Promise<void> | undefined;

  const saveAll = async () => {
    const all = noted;
    noted = new Map();
    try {
      for (const [id, timeMs] of all) await save(id, new Date(timeMs));
    } catch (error) {
      logger.warn("times of last use were not saved", { error });
    }
  };
  const flush = async () => {
    flushing ??= saveAll().finally(() => {
      flushing = undefined;
    });
    await flushing;
  };
  const timer = setInterval(() => void flush(), flushMs);
  timer.unref();
  return {
    note(id) {
      if (noted.size < NOTED_MAX || noted.has(id)) noted.set(id, now());
    },
    flush,
    async close() {
      clearInterval(timer);
      await flush();
      await flush();
    },
  };
}
