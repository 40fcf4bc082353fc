/** Notes when applications were last given a token, without making the token call wait for it. */
import type { ApplicationDefinition } from "../core/definitions.ts";
import type { Logger } from "../core/logger.ts";

/** Notes that wait to be saved. */
export interface UseNotes {
  /** Notes a use now; never waits or fails. */
  readonly note: (application: Pick<ApplicationDefinition, "clientId">) => void;
  /** Saves what is noted, which also happens every 10 s. What cannot be saved is dropped. */
  flush(): Promise<void>;
  /** Saves and stops. */
  close(): Promise<void>;
}

/** Where notes go. */
export interface UseNotesOptions {
  /** Writes one time to the database. */
  readonly save: (clientId: string, time: Date) => Promise<void>;
  readonly logger: Logger;
  readonly now?: () => number;
  readonly flushMs?: number;
}

/** Applications noted between two flushes; more are forgotten until the next. */
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
      for (const [clientId, timeMs] of all) await save(clientId, new Date(timeMs));
    } catch (error) {
      logger.warn("when applications were last used was not saved", { error });
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
    note({ clientId }) {
      if (noted.size < NOTED_MAX || noted.has(clientId)) noted.set(clientId, now());
    },
    flush,
    async close() {
      clearInterval(timer);
      await flush();
      await flush();
    },
  };
}
