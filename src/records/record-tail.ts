/**
 * The flow of TailRecords: picks what one reader wants, drops what is above the wanted rate (and counts
 * it), and gives an empty sign of life every 15 s.
 */
import { createFrame, type LiveFrame } from "./live-frame.ts";
import type { LiveStep } from "./live-queue.ts";
import type { PlacedRecord } from "./placed-record.ts";
import type { RecordMatcher } from "./record-matcher.ts";

/** One message of a tail. */
export interface TailStep {
  /** Undefined in a sign of life. */
  readonly frame: LiveFrame | undefined;
  /** Whether other readers are given the same frame. */
  readonly isShared: boolean;
  /** Records above the rate since the step before. */
  readonly skipped: number;
  /** Records left out since the step before because the reader was too slow. */
  readonly missed: number;
}

const SIGN_OF_LIFE_MS = 15_000;

/** Follows steps; ends when they end. */
export async function* createTail(options: {
  /** Begins the steps; what it is given may be offered each frame that no step brings then. */
  readonly steps: (offer: (frame: LiveFrame) => boolean) => AsyncIterable<LiveStep>;
  /** Gives the reader a whole frame at once, past the steps of the tail; false when that cannot be now. */
  readonly give?: (frame: LiveFrame) => boolean;
  /** Undefined when all records are wanted. */
  readonly matcher: RecordMatcher | undefined;
  readonly rateMax: number;
  readonly now: () => number;
  /** Ends the steps: the one that is waited for would hold up the end. */
  readonly stop: () => void;
}): AsyncGenerator<TailStep> {
  const budget = createRateBudget(options.rateMax, options.now);
  const orSilence = createSilence(SIGN_OF_LIFE_MS);
  let skipped = 0;
  let missed = 0;
  const offer = (frame: LiveFrame) => {
    const { length } = frame.records;
    const isPlain = !options.matcher && skipped === 0 && missed === 0 && budget.left() >= length;
    if (!isPlain || !options.give?.(frame)) return false;
    budget.take(length);
    orSilence.refresh();
    return true;
  };
  const iterator = options.steps(offer)[Symbol.asyncIterator]();
  let pending = iterator.next();
  try {
    for (;;) {
      const result = await orSilence.race(pending);
      if (result === "silence") {
        yield { frame: undefined, isShared: false, skipped, missed };
        skipped = 0;
        missed = 0;
        continue;
      }
      if (result.done) return;
      missed += result.value.missed;
      for (const frame of result.value.frames) {
        const wanted = pick(frame, options.matcher);
        const taken = budget.take(Math.min(wanted.length, budget.left()));
        skipped += wanted.length - taken;
        if (taken === 0) continue;
        // The frame that all others are given too is encoded already.
        const isShared = taken === frame.records.length;
        const given = isShared ? frame : createFrame(wanted.slice(0, taken));
        yield { frame: given, isShared, skipped, missed };
        skipped = 0;
        missed = 0;
      }
      // Only now: who waits for a step has had all that came before it.
      pending = iterator.next();
    }
  } finally {
    orSilence.close();
    pending.catch(() => undefined);
    options.stop();
    await iterator.return?.();
  }
}

function pick({ records }: LiveFrame, matcher: RecordMatcher | undefined): readonly PlacedRecord[] {
  return matcher ? records.filter(matcher) : records;
}

/** Tells when nothing has come for a while. One timer for all of a tail: a timer each costs as much as a frame. */
function createSilence(ms: number) {
  let fire: (() => void) | undefined;
  const timer = setTimeout(() => fire?.(), ms);
  return {
    race<T>(promise: Promise<T>): Promise<T | "silence"> {
      timer.refresh();
      return new Promise((resolve, reject) => {
        fire = () => resolve("silence");
        promise.then(resolve, reject);
      });
    },
    refresh: () => void timer.refresh(),
    close: () => clearTimeout(timer),
  };
}

/** A token bucket of one second: how many records the rate allows now. */
function createRateBudget(rateMax: number, now: () => number) {
  let tokens = rateMax;
  let at = now();
  return {
    left(): number {
      const time = now();
      tokens = Math.min(rateMax, tokens + (Math.max(0, time - at) / 1000) * rateMax);
      at = time;
      return Math.floor(tokens);
    },
    /** At most what is left. */
    take(count: number): number {
      tokens -= count;
      return count;
    },
  };
}
