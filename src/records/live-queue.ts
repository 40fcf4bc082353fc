/** What waits for one reader of a live log. Bounded: who cannot keep up is told how much was left out. */
import type { LiveFrame } from "./live-frame.ts";

/** Records and bytes that may wait for a reader. */
const WAITING_RECORDS_MAX = 5_000;
const WAITING_BYTES_MAX = 4 << 20;

/** What a reader is given next. */
export interface LiveStep {
  readonly frames: readonly LiveFrame[];
  /** Records that were left out before these, because the reader was too slow. */
  readonly missed: number;
}

/** Frames on their way to one reader. */
export interface LiveQueue {
  /** Adds a frame; what waits is left out when it does not fit. */
  push(frame: LiveFrame): void;
  /** Ends the queue: what waits is still given, then it fails with the error, if any. */
  end(error?: unknown): void;
  /** Everything that waits, as soon as there is something; undefined at the end. */
  next(): Promise<LiveStep | undefined>;
}

/**
 * Makes an empty queue. While its reader waits for the next step, each frame is first offered as it is:
 * one that is taken then is not queued.
 */
export function createLiveQueue(offer?: (frame: LiveFrame) => boolean): LiveQueue {
  let frames: LiveFrame[] = [];
  let records = 0;
  let bytes = 0;
  let missed = 0;
  let ended: { readonly error: unknown } | undefined;
  let wake: (() => void) | undefined;
  const rouse = () => {
    wake?.();
    wake = undefined;
  };
  return {
    push(frame) {
      if (ended) return;
      // Who waits has had everything that came before.
      if (wake && offer?.(frame)) return;
      const fits =
        records + frame.records.length <= WAITING_RECORDS_MAX &&
        bytes + frame.bytes <= WAITING_BYTES_MAX;
      // The newest is what a tail is for: what has waited longest goes.
      if (!fits && frames.length > 0) {
        missed += records;
        frames = [];
        records = 0;
        bytes = 0;
      }
      frames.push(frame);
      records += frame.records.length;
      bytes += frame.bytes;
      rouse();
    },
    end(error) {
      ended ??= { error };
      rouse();
    },
    async next() {
      while (frames.length === 0) {
        if (ended?.error !== undefined) throw ended.error;
        if (ended) return undefined;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const step = { frames, missed };
      frames = [];
      records = 0;
      bytes = 0;
      missed = 0;
      return step;
    },
  };
}
