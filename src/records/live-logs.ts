/**
 * Follows logs for all readers of this node: however many follow a log, it is read and decoded once. The
 * reading begins with the first reader and ends with the last.
 */
import { setImmediate } from "node:timers/promises";
import type { LogDefinition } from "../core/definitions.ts";
import type { LogMessage, LogReader } from "../core/log.ts";
import { FRAME_BYTES_MAX, FRAME_RECORDS_MAX, framesOf, type LiveFrame } from "./live-frame.ts";
import { createLiveQueue, type LiveQueue, type LiveStep } from "./live-queue.ts";
import { type PlacedRecord, readRecords } from "./placed-record.ts";

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

/** Logs that are followed. */
export interface LiveLogs {
  /**
   * Records of a log from a sequence on, without end, until the signal aborts. What is stored already is
   * read in pages at the reader's own pace. Fails with LOG_UNAVAILABLE.
   */
  follow(log: LogDefinition, options: FollowOptions): AsyncGenerator<LiveStep>;
}

/** What one reader follows. */
export interface FollowOptions {
  readonly fromSequence: number;
  /**
   * Offered each frame while the reader waits for the next step: true when it has taken the frame, which no
   * step brings then. The generators between a frame and its reader cost twice what writing it does.
   */
  readonly offer?: ((frame: LiveFrame) => boolean) | undefined;
  readonly signal: AbortSignal;
}

/** Records are gathered this long for each reader, and at most for the second of these: frames cost by reader. */
const GATHER_MS_PER_READER = 0.4;
const GATHER_MS_MAX = 400;
/** Readers that are given something before other work of the process has its turn. */
const READERS_PER_TURN = 32;
const PAGE_MESSAGES = 200;
const PAGE_BYTES = 4 << 20;

interface LiveLog {
  /** Newest sequence that readers were given; what joins at a later one misses nothing. */
  givenSequence: number;
  readonly queues: Set<LiveQueue>;
  readonly ended: AbortController;
  readonly counts: LiveCounts;
}

/** What is followed now, and what was sent since the start. */
export interface LiveCounts {
  readers: number;
  logs: number;
  /** Frames given to readers, each one counted for each of them. */
  frames: number;
}

/** Counts from zero. */
export function createLiveCounts(): LiveCounts {
  return { readers: 0, logs: 0, frames: 0 };
}

/** What it reads with. */
export interface LiveLogsOptions {
  /** Left out in tests. */
  readonly liveCounts?: LiveCounts | undefined;
  readonly follower: LogFollower;
  readonly reader: LogReader;
}

/** Makes the live logs of a node. */
export function createLiveLogs(options: LiveLogsOptions): LiveLogs {
  const logs = new Map<string, LiveLog>();
  return {
    async *follow(log, { fromSequence, offer, signal }) {
      let next = fromSequence;
      while (!signal.aborted) {
        const live = logs.get(log.uid);
        // No wait between this look and the joining: nothing can be given to others in between.
        if (live && next > live.givenSequence) {
          yield* join(logs, { log, live, fromSequence: next, offer, signal });
          return;
        }
        const given = live?.givenSequence;
        const page = await readPage(options.reader, log, { fromSequence: next, signal });
        for (const message of page) {
          next = message.sequence + 1;
          for (const frame of framesOf(readRecords(message))) yield { frames: [frame], missed: 0 };
        }
        if (page.length > 0) continue;
        if (given !== undefined) next = given + 1;
        else if (!logs.has(log.uid)) logs.set(log.uid, open(options, logs, { log, from: next }));
      }
    },
  };
}

async function readPage(
  reader: LogReader,
  log: LogDefinition,
  { fromSequence, signal }: { readonly fromSequence: number; readonly signal: AbortSignal },
): Promise<LogMessage[]> {
  const bounds = { maxMessages: PAGE_MESSAGES, maxBytes: PAGE_BYTES };
  return await reader.read(log, { fromSequence, ...bounds, signal });
}

function open(
  { follower, liveCounts: counts = createLiveCounts() }: LiveLogsOptions,
  logs: Map<string, LiveLog>,
  { log, from }: { readonly log: LogDefinition; readonly from: number },
): LiveLog {
  const live: LiveLog = {
    givenSequence: from - 1,
    queues: new Set(),
    ended: new AbortController(),
    counts,
  };
  counts.logs++;
  const { signal } = live.ended;
  const gathered = createGathering(live);
  const onMessage = gathered.add;
  const finish = async (error?: unknown) => {
    counts.logs--;
    if (logs.get(log.uid) === live) logs.delete(log.uid);
    await gathered.give();
    for (const queue of live.queues) queue.end(error);
  };
  follower
    .followLog(log, { fromSequence: from, onMessage, signal })
    .then(() => finish(), finish)
    .finally(gathered.close);
  return live;
}

/** Gathers what arrives close together, and gives it to all readers, some at a time. */
function createGathering(live: LiveLog) {
  let waiting: PlacedRecord[] = [];
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;
  let giving: Promise<void> | undefined;
  const isFull = () => waiting.length >= FRAME_RECORDS_MAX || bytes >= FRAME_BYTES_MAX;
  /** Resolves when the readers have all that waited at its call. */
  const give = async (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    // Every reader is given everything in order.
    while (giving) await giving;
    const last = waiting.at(-1);
    if (!last) return;
    const frames = [...framesOf(waiting)];
    live.givenSequence = last.sequence;
    waiting = [];
    bytes = 0;
    live.counts.frames += frames.length * live.queues.size;
    giving = giveInTurns(frames, [...live.queues]).finally(() => {
      giving = undefined;
    });
    await giving;
  };
  return {
    give,
    add(message: LogMessage): Promise<void> | undefined {
      for (const record of readRecords(message)) {
        waiting.push(record);
        bytes += record.json.length;
      }
      if (isFull()) return give();
      const wait = Math.min(live.queues.size * GATHER_MS_PER_READER, GATHER_MS_MAX);
      timer ??= setTimeout(() => void give(), wait);
      return undefined;
    },
    close: () => clearTimeout(timer),
  };
}

/** What is pushed meanwhile is not kept waiting: a thousand readers take tens of milliseconds. */
async function giveInTurns(
  frames: readonly LiveFrame[],
  queues: readonly LiveQueue[],
): Promise<void> {
  for (let at = 0; at < queues.length; at += READERS_PER_TURN) {
    if (at > 0) await setImmediate();
    for (const queue of queues.slice(at, at + READERS_PER_TURN)) {
      for (const frame of frames) queue.push(frame);
    }
  }
}

async function* join(
  logs: Map<string, LiveLog>,
  options: FollowOptions & { readonly log: LogDefinition; readonly live: LiveLog },
): AsyncGenerator<LiveStep> {
  const { log, live, fromSequence, offer, signal } = options;
  const isWhole = ({ records }: LiveFrame) => records[0]!.sequence >= fromSequence;
  const queue = createLiveQueue(offer && ((frame) => isWhole(frame) && offer(frame)));
  const stop = () => queue.end();
  live.queues.add(queue);
  live.counts.readers++;
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    for (;;) {
      const step = await queue.next();
      if (!step) return;
      yield from(step, fromSequence);
    }
  } finally {
    signal.removeEventListener("abort", stop);
    live.queues.delete(queue);
    live.counts.readers--;
    if (live.queues.size === 0) {
      live.ended.abort();
      if (logs.get(log.uid) === live) logs.delete(log.uid);
    }
  }
}

/** Without what the reader has had from pages. */
function from({ frames, missed }: LiveStep, sequence: number): LiveStep {
  if (frames.every(({ records }) => records[0]!.sequence >= sequence)) return { frames, missed };
  const left = frames.flatMap((frame) => [
    ...framesOf(frame.records.filter((record) => record.sequence >= sequence)),
  ]);
  return { frames: left, missed };
}
