/**
 * What was said to a destination and what it answered, for the attempt log. Drivers that speak HTTP
 * note their exchanges where they make them; who wants them records around a call of a driver. Notes
 * follow the call through its promises, so requests side by side do not mix.
 */
import { AsyncLocalStorage } from "node:async_hooks";

/** One request with its answer, as it went over the wire: secrets included. */
export interface Exchange {
  readonly method: string;
  readonly url: string;
  readonly requestHeaders: Headers;
  readonly requestBody: Uint8Array;
  /** Undefined when no answer came. */
  readonly answer?: {
    readonly status: number;
    readonly headers: Headers;
    /** What was read of it. */
    readonly body: Uint8Array;
  };
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Exchanges of one attempt that are remembered: a request may be followed by one for a token, or by parts. */
const EXCHANGES_MAX = 8;

const recording = new AsyncLocalStorage<Exchange[]>();

/** Whether somebody wants to know: then the bodies of answers are worth reading. */
export function isRecordingExchanges(): boolean {
  return recording.getStore() !== undefined;
}

/** Notes an exchange that has ended; does nothing when nobody wants to know. Keeps references to bodies. */
export function noteExchange(exchange: Exchange): void {
  const exchanges = recording.getStore();
  if (exchanges && exchanges.length < EXCHANGES_MAX) exchanges.push(exchange);
}

/** Runs work, and gathers in `exchanges` what it notes. */
export function recordExchanges<T>(exchanges: Exchange[], work: () => T): T {
  return recording.run(exchanges, work);
}
