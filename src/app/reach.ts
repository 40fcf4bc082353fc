/** Waits for a server that starts beside us, such as in a compose file, for a short while. */
import { setTimeout as delay } from "node:timers/promises";
import { StartError } from "../core/start-error.ts";

/** What is reached, and how. */
export interface ReachOptions<T> {
  /** Such as `Postgres`. */
  readonly what: string;
  /** The variable that names the server. */
  readonly variable: string;
  /** Addresses joined by commas. */
  readonly url: string;
  readonly attempt: () => Promise<T>;
  /** Whether a later try may go better. */
  readonly isPassing: (error: unknown) => boolean;
  /** Takes what comes after the time. */
  readonly discard: (value: T) => void;
  readonly onProgress: (text: string) => void;
  /** How long attempts begin; 10 s by default. One that hangs is given up half as long after that. */
  readonly waitMs?: number;
}

const PAUSE_MS = 300;

/** The result of the first attempt that goes well. Fails with a StartError when none did in time. */
export async function reach<T>(options: ReachOptions<T>): Promise<T> {
  const { waitMs = 10_000, isPassing, attempt } = options;
  const address = describeAddresses(options.url);
  const end = performance.now() + waitMs;
  let fault: unknown;
  for (let attempts = 1; ; attempts++) {
    try {
      return await limitTime(attempt(), end + waitMs / 2 - performance.now(), options.discard);
    } catch (error) {
      if (!isPassing(error) && !(error instanceof LateError)) throw error;
      // A server that was there and then hangs says less than what it said before.
      if (!(error instanceof LateError) || fault === undefined) fault = error;
    }
    if (performance.now() > end) {
      throw new StartError(
        `${options.what} at ${address} cannot be reached (${describeCause(fault)}): ` +
          `tried for ${waitMs / 1_000} s; start it, or correct ${options.variable}`,
        { cause: fault },
      );
    }
    if (attempts === 1) options.onProgress(`waiting for ${options.what} at ${address}`);
    await delay(PAUSE_MS);
  }
}

class LateError extends Error {}

async function limitTime<T>(work: Promise<T>, ms: number, discard: (value: T) => void): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let isLate = false;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      isLate = true;
      reject(new LateError("no answer"));
    }, ms);
  });
  work.then(
    (value) => isLate && discard(value),
    () => undefined,
  );
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** Hosts and ports of addresses, without user and password. */
export function describeAddresses(urls: string): string {
  return urls
    .split(",")
    .map((text) => new URL(text.trim()))
    .map((url) => url.host || url.searchParams.get("host") || "localhost")
    .join(", ");
}

/** The innermost cause: its code where it has one, such as ECONNREFUSED, else its words. */
function describeCause(error: unknown): string {
  let inner = error;
  for (let depth = 0; depth < 8 && inner instanceof Error; depth++) {
    const next: unknown = inner instanceof AggregateError ? inner.errors[0] : inner.cause;
    if (!(next instanceof Error)) break;
    inner = next;
  }
  const { code, message } = inner as { code?: unknown; message?: unknown };
  return typeof code === "string" ? code : String(message);
}
