/** A push of messages made into a pull: at most one message waits, so a slow reader slows the log. */
import type { LogDefinition } from "../core/definitions.ts";
import type { LogMessage } from "../core/log.ts";

/** What following a log needs of the bus. */
export interface LogFollower {
  /** Resolves when the signal ends it; rejects when the log cannot be followed. */
  followLog(
    log: LogDefinition,
    options: {
      readonly fromSequence: number;
      readonly onMessage: (message: LogMessage) => void | Promise<void>;
      readonly signal: AbortSignal;
    },
  ): Promise<void>;
}

/** Messages of a log from a sequence on, until the signal aborts or the caller returns. */
export async function* followMessages(
  follower: LogFollower,
  log: LogDefinition,
  options: { readonly fromSequence: number; readonly signal: AbortSignal },
): AsyncGenerator<LogMessage> {
  const ended = new AbortController();
  const signal = AbortSignal.any([options.signal, ended.signal]);
  let deliver = Promise.withResolvers<LogMessage | undefined>();
  let taken = Promise.withResolvers<void>();
  const onMessage = (message: LogMessage) => {
    taken = Promise.withResolvers<void>();
    deliver.resolve(message);
    return taken.promise;
  };
  let end: (() => void) | undefined;
  const finish = (settle: () => void) => {
    end = settle;
    settle();
  };
  follower.followLog(log, { fromSequence: options.fromSequence, onMessage, signal }).then(
    () => finish(() => deliver.resolve(undefined)),
    (error: unknown) => finish(() => deliver.reject(error)),
  );
  const stop = () => {
    deliver.resolve(undefined);
    taken.resolve();
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    while (!signal.aborted) {
      const message = await deliver.promise;
      if (!message) return;
      yield message;
      deliver = Promise.withResolvers<LogMessage | undefined>();
      // The end may have come while the reader was busy.
      end?.();
      taken.resolve();
    }
  } finally {
    ended.abort();
    deliver.promise.catch(() => undefined);
  }
}
