/**
 * Polled sources (mode POLL): asks when they are due, one node at a time, and stores what is new. The
 * state is saved after the push, so what was stored right before a crash may be asked for again; records
 * whose id was seen among the newest 5,000 are not stored a second time.
 */
import { createHash, randomUUID } from "node:crypto";
import { ConnectError } from "@connectrpc/connect";
import type { Poll } from "#gen/tributary/management/v1/source_pb.js";
import type { Definitions, SourceDefinition } from "../core/definitions.ts";
import { findScalar } from "../core/json-find.ts";
import { parsedPath } from "../core/json-path.ts";
import type { Logger } from "../core/logger.ts";
import type { Ingest } from "./ingest.ts";
import { itemsIn, withoutSeen } from "./polled-items.ts";
import type { Quarantine } from "./quarantine.ts";
import { countOf, type RecordSet } from "./record-set.ts";
import { readSourceBody } from "./source-body.ts";
import type { SourceStatsKeeper } from "./source-stats.ts";

/** What is remembered of a source from one attempt to the next. */
export interface PollState {
  readonly sourceUid: string;
  readonly cursor: string;
  /** Validators of the last answer to the same request; empty for none. */
  readonly etag: string;
  readonly lastModified: string;
  /** Hashes of record ids, oldest first. */
  readonly seen: readonly string[];
  readonly failures: number;
  readonly cause: string;
  readonly lastAttemptTime: Date | null;
  readonly lastSuccessTime: Date | null;
  readonly nextTime: Date;
}

/** What the poller works with. */
export interface PollerOptions {
  readonly definitions: Definitions;
  readonly ingest: Ingest;
  readonly quarantine: Quarantine;
  readonly stats: SourceStatsKeeper;
  readonly logger: Logger;
  readonly states: {
    /** Takes a source that is due for this holder; undefined when there is none. */
    claim(holder: string): Promise<PollState | undefined>;
    /** Saves and gives it back. */
    save(state: PollState, holder: string): Promise<void>;
  };
  /** As `fetch` through the egress guard. */
  readonly fetch: (
    url: string,
    request: { method: string; headers: Record<string, string>; signal: AbortSignal },
  ) => Promise<Response>;
  readonly nextTime: (poll: Poll, after: Date) => Date;
  readonly now?: () => number;
}

const LOOK_MS = 500;
const AT_ONCE = 4;
const SEEN_MAX = 5_000;
const BACKOFF_MIN_MS = 1_000;
const BACKOFF_MAX_MS = 15 * 60_000;

/** Starts polling; its owner closes it. */
export function startPoller(options: PollerOptions): { close(): Promise<void> } {
  const { states, logger } = options;
  const holder = randomUUID();
  const closing = new AbortController();
  const running = new Set<Promise<void>>();
  let looking: Promise<void> | undefined;
  const look = async () => {
    while (running.size < AT_ONCE && !closing.signal.aborted) {
      const state = await states.claim(holder);
      if (!state) return;
      const work = pollOne(options, state, closing.signal)
        .then((next) => states.save(next, holder))
        .catch((error: unknown) => logger.warn("a source is polled later", { error }));
      running.add(work);
      void work.finally(() => running.delete(work));
    }
  };
  const timer = setInterval(() => {
    looking ??= look()
      .catch((error: unknown) => logger.debug("sources cannot be polled now", { error }))
      .finally(() => {
        looking = undefined;
      });
  }, LOOK_MS);
  timer.unref();
  return {
    async close() {
      closing.abort();
      clearInterval(timer);
      await looking;
      await Promise.all(running);
    },
  };
}

/** One attempt; gives what is to be remembered. Never fails. */
async function pollOne(
  options: PollerOptions,
  state: PollState,
  signal: AbortSignal,
): Promise<PollState> {
  const now = options.now ?? Date.now;
  const lastAttemptTime = new Date(now());
  const definition = options.definitions.sourceByUid(state.sourceUid);
  const poll = definition?.source.poll;
  // Not known here yet, or off: looked at again in a while.
  if (!poll || definition.source.disabled) {
    return { ...state, nextTime: new Date(now() + 2_000) };
  }
  const next = () => options.nextTime(poll, new Date(now()));
  try {
    const found = await ask(options, { definition, poll, state, signal });
    const good = { failures: 0, cause: "", lastAttemptTime, lastSuccessTime: new Date(now()) };
    return { ...state, ...found, ...good, nextTime: next() };
  } catch (error) {
    if (signal.aborted) return state;
    const failures = state.failures + 1;
    const wait = Math.min(BACKOFF_MIN_MS * 2 ** Math.min(failures - 1, 20), BACKOFF_MAX_MS);
    const retryAfterMs = error instanceof PollFault ? error.retryAfterMs : 0;
    const nextTime = new Date(now() + Math.max(wait, Math.min(retryAfterMs, BACKOFF_MAX_MS)));
    return { ...state, failures, cause: causeOf(error), lastAttemptTime, nextTime };
  }
}

interface Attempt {
  readonly definition: SourceDefinition;
  readonly poll: Poll;
  readonly state: PollState;
  readonly signal: AbortSignal;
}

/** An answer that is none. */
class PollFault extends Error {
  override readonly name = "PollFault";
  readonly retryAfterMs: number;
  constructor(text: string, retryAfterMs = 0) {
    super(text);
    this.retryAfterMs = retryAfterMs;
  }
}

function causeOf(error: unknown): string {
  const text = error instanceof ConnectError ? error.rawMessage : (error as Error).message;
  return String(text).slice(0, 1_000);
}

async function ask(options: PollerOptions, attempt: Attempt): Promise<Partial<PollState>> {
  const { poll, state, signal } = attempt;
  const url = new URL(poll.url);
  if (state.cursor !== "") url.searchParams.set(poll.cursorParameter, state.cursor);
  const response = await options.fetch(url.href, {
    method: "GET",
    headers: {
      accept: "application/json",
      "user-agent": "tributary",
      ...secretHeaders(attempt.definition),
      ...(state.etag !== "" && { "if-none-match": state.etag }),
      ...(state.lastModified !== "" && { "if-modified-since": state.lastModified }),
    },
    signal,
  });
  if (response.status === 304) return {};
  if (response.status !== 200) {
    const seconds = Number(response.headers.get("retry-after") ?? 0);
    const text = `the address answered with ${response.status}; 200 or 304 is expected`;
    throw new PollFault(text, Number.isFinite(seconds) ? seconds * 1_000 : 0);
  }
  const body = new Uint8Array(await response.arrayBuffer());
  const stored = await store(options, attempt, body);
  const isSame = stored.cursor === state.cursor;
  return {
    ...stored,
    etag: isSame ? (response.headers.get("etag") ?? "") : "",
    lastModified: isSame ? (response.headers.get("last-modified") ?? "") : "",
  };
}

/** Values of headers are kept apart from the definition, as its only key. */
function secretHeaders({ keys, source }: SourceDefinition): Record<string, string> {
  const secret = keys.find(({ endTimeMs }) => endTimeMs === undefined)?.secret;
  if (!secret || Object.keys(source.poll?.headers ?? {}).length === 0) return {};
  const headers = JSON.parse(Buffer.from(secret).toString()) as Record<string, string>;
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
}

async function store(
  { ingest, quarantine, stats, now = Date.now }: PollerOptions,
  { definition, poll, state }: Attempt,
  body: Uint8Array,
): Promise<Pick<PollState, "cursor" | "seen">> {
  const { source, streamName, uid, name } = definition;
  const items = await itemsIn(body, poll.itemsPath);
  if (!items) return { cursor: state.cursor, seen: state.seen };
  const stream = ingest.streamOf(streamName);
  const { records, refused } = await readSourceBody(items, {
    stream,
    idPath: parsedPath(source.recordIdPath),
    canSetApart: source.quarantine,
  });
  const address = new URL(poll.url).hostname;
  const { fresh, seen } = await withoutSeen(records, state.seen, SEEN_MAX);
  if (fresh) {
    const identity = createHash("sha256").update(attemptOf(state)).update(body);
    await ingest.push({
      stream: streamName,
      branch: source.branch,
      records: fresh,
      idempotencyKey: `poll:${identity.digest("base64url")}`,
      returnRecordIds: false,
      caller: {
        id: `source:${uid}`,
        authentication: "poll",
        address,
        traceContext: "",
        source: name.split("/").at(-1) ?? "",
      },
    });
  }
  if (refused.length > 0)
    await quarantine.put(definition, refused, { address, arrivalTimeMs: now() });
  stats.taken(definition, {
    ...tallyOf(fresh),
    isAuthenticated: true,
    quarantined: refused.length,
  });
  return { cursor: cursorOf(records, poll) ?? state.cursor, seen };
}

/** The same for all attempts after one success, so that what was pushed before a crash is known again. */
function attemptOf({ cursor, lastSuccessTime }: PollState): string {
  return `${lastSuccessTime?.getTime() ?? 0} ${cursor} `;
}

function tallyOf(records: RecordSet | undefined) {
  if (!records) return { records: 0, bytes: 0 };
  let bytes = 0;
  for (let i = 0; i < records.spans.length; i += 2)
    bytes += records.spans[i + 1]! - records.spans[i]!;
  return { records: countOf(records), bytes };
}

/** The cursor in the last record; undefined when it has none. */
function cursorOf(records: RecordSet | undefined, poll: Poll): string | undefined {
  const path = parsedPath(poll.cursorPath);
  if (!path || !records) return undefined;
  const [start = 0, end = 0] = records.spans.slice(-2);
  return findScalar(records.bytes, { start, end }, path);
}
