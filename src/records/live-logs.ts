/**
 * Follows logs for all readers of this node: however many follow a log, it is read and decoded once. The
 * reading begins with the first reader and ends with the last.
 */
import type { LogDefinition } from "../core/definitions.ts";
import type { LogMessage, LogReader } from "../core/log.ts";
import { FRAME_BYTES_MAX, FRAME_RECORDS_MAX, framesOf } from "./live-frame.ts";
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
  follow(
    log: LogDefinition,
    options: { readonly fromSequence: number; readonly signal: AbortSignal },
  ): AsyncGenerator<LiveStep>;
}

/** Records are gathered this long for each reader, and at most for the second of these: frames cost by reader. */
const GATHER_MS_PER_READER = 0.25;
const GATHER_MS_MAX = 250;
const PAGE_MESSAGES = 200;
const PAGE_BYTES = 4 << 20;

interface LiveLog {
  /** Newest sequence that readers were given; what joins at a later one misses nothing. */
  givenSequence: number;
  readonly queues: Set<LiveQueue>;
  readonly ended: AbortController;
}

/** What it reads with. */
export interface LiveLogsOptions {
  readonly follower: LogFollower;
  readonly reader: LogReader;
}

/** Makes the live logs of a node. */
export function createLiveLogs(options: LiveLogsOptions): LiveLogs {
  const logs = new Map<string, LiveLog>();
  return {
    async *follow(log, { fromSequence, signal }) {
      let next = fromSequence;
      while (!signal.aborted) {
        const live = logs.get(log.uid);
        // No wait between this look and the joining: nothing can be given to others in between.
        if (live && next > live.givenSequence) {
          yield* join(logs, { log, live, fromSequence: next, signal });
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
  { follower }: LiveLogsOptions,
  logs: Map<string, LiveLog>,
  { log, from }: { readonly log: LogDefinition; readonly from: number },
): LiveLog {
  const live: LiveLog = {
    givenSequence: from - 1,
    queues: new Set(),
    ended: new AbortController(),
  };
  const { signal } = live.ended;
  const gathered = createGathering(live);
  const onMessage = gathered.add;
  const finish = (error?: unknown) => {
    gathered.give();
    if (logs.get(log.uid) === live) logs.delete(log.uid);
    for (const queue of live.queues) queue.end(error);
  };
  follower
    .followLog(log, { fromSequence: from, onMessage, signal })
    .then(() => finish(), finish)
    .finally(gathered.close);
  return live;
}

/** Gathers what arrives close together, and gives it to all readers. */
function createGathering(live: LiveLog) {
  let waiting: PlacedRecord[] = [];
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;
  const give = () => {
    clearTimeout(timer);
    timer = undefined;
    const last = waiting.at(-1);
    if (!last) return;
    for (const frame of framesOf(waiting)) for (const queue of live.queues) queue.push(frame);
    live.givenSequence = last.sequence;
    waiting = [];
    bytes = 0;
  };
  return {
    give,
    add(message: LogMessage) {
      for (const record of readRecords(message)) {
        waiting.push(record);
        bytes += record.json.length;
      }
      if (waiting.length >= FRAME_RECORDS_MAX || bytes >= FRAME_BYTES_MAX) return give();
      const wait = Math.min(live.queues.size * GATHER_MS_PER_READER, GATHER_MS_MAX);
      timer ??= setTimeout(give, wait);
    },
    close: () => clearTimeout(timer),
  };
}

async function* join(
  logs: Map<string, LiveLog>,
  {
    log,
    live,
    fromSequence,
    signal,
  }: { log: LogDefinition; live: LiveLog; fromSequence: number; signal: AbortSignal },
): AsyncGenerator<LiveStep> {
  const queue = createLiveQueue();
  const stop = () => queue.end();
  live.queues.add(queue);
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
