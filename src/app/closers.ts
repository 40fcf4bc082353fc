/** What was opened, to be closed in reverse order. */
import type { Logger } from "../core/logger.ts";

/** A stack of things to close. */
export interface Closers {
  add(name: string, close: () => void | Promise<void>): void;
  /** Closes the newest first; a failure is logged and the rest goes on. Idempotent. */
  close(): Promise<void>;
}

/** An empty stack. */
export function createClosers(logger: Logger): Closers {
  const stack: { name: string; close: () => void | Promise<void> }[] = [];
  let closing: Promise<void> | undefined;
  const closeAll = async () => {
    for (const { name, close } of stack.reverse()) {
      try {
        await close();
      } catch (error) {
        logger.error("could not be closed", { name, error });
      }
    }
  };
  return {
    add: (name, close) => stack.push({ name, close }),
    close() {
      closing ??= closeAll();
      return closing;
    },
  };
}
