/** From checked records to the log: partitions, blocks, idempotency, places. */
import type { Definitions, LogDefinition, StreamDefinition } from "../core/definitions.ts";
import { reasonOf } from "../core/errors.ts";
import type { Eventually } from "../core/eventually.ts";
import type { LogAppended, LogCall, LogReader, LogWriter } from "../core/log.ts";
import { parseName } from "../core/names.ts";
import type { CallFacts } from "../core/record-block.ts";
import { checkIdempotencyKey, idempotencyOf } from "./call-identity.ts";
import { divide, type EncodedPart, encodeParts, encodePartsAtOnce } from "./call-parts.ts";
import { findStream, logOf, waitForNewer } from "./find-stream.ts";
import type { PushCall, PushResult } from "./push-call.ts";
import { countStored, type PushCounts } from "./push-counts.ts";
import type { PushLimits } from "./push-limits.ts";
import { checkRecords, countOf, type RecordSet, SLICE_BYTES } from "./record-set.ts";
import { isRefusal } from "./refused-records.ts";
import { arrivalOf, firstPlaceOf, idsOf } from "./stored-places.ts";

/** The way in. */
export interface Ingest {
  /**
   * The definition of a stream that may be pushed to now. Fails with RESOURCE_NOT_FOUND (INVALID_FIELDS
   * when it is no such name), and as `PushLimits.check`.
   */
  streamOf(name: string): StreamDefinition;
  /**
   * Undefined when the stream is known. Else another node may have made it just now: resolves after one
   * more look, whether that found it or not. Only for callers who are authorised for the stream.
   */
  lookFor(name: string): Promise<void> | undefined;
  /**
   * Stores all records of the call, or none. Fails with RECORD_INVALID, INVALID_FIELDS,
   * RESOURCE_NOT_FOUND, as `PushLimits.take`, and with what `LogWriter.append` fails with.
   */
  push(call: PushCall): Promise<PushResult>;
  /**
   * As `push`, in two steps: resolves when the records are checked and handed to the log, with the
   * answer to come. A call started after that is behind this one in the log, key by key.
   */
  start(call: PushCall): Promise<{ readonly answer: Promise<PushResult> }>;
}

/** What the way in needs. */
export interface IngestOptions {
  readonly definitions: Definitions;
  readonly log: LogWriter;
  /** Brings the definitions up to date before a stream counts as unknown; never by default. */
  readonly lookAgain?: () => Promise<void>;
  /** What the stream's project may push; without it everything. */
  readonly limits?: PushLimits;
  /** Finds the arrival of a duplicate's original, for its record ids; without it they are left out. */
  readonly reader?: LogReader;
  /** Milliseconds since 1970, fractions welcome. */
  readonly now?: () => number;
  /** Told of stored records that the schema does not know; must not wait. */
  readonly onDrift?: (stream: StreamDefinition, records: readonly Uint8Array[]) => void;
  /** Counts what was stored; left out in tests. */
  readonly counts?: PushCounts | undefined;
  /** Told of calls that were refused when their records were read; must not wait. */
  readonly onRefused?: (stream: StreamDefinition, records: number) => void;
  /** A warning for every answer when the log is not power-safe; else empty. */
  readonly durabilityWarning?: () => string;
}

/** It never changes, and each question for it makes an object. */
const { timeOrigin } = performance;
const preciseNow = () => timeOrigin + performance.now();

/** Makes the way in. */
export function createIngest(options: IngestOptions): Ingest {
  const { definitions, log, limits, now = preciseNow } = options;
  const told = {
    reader: options.reader,
    counts: options.counts,
    durabilityWarning: options.durabilityWarning ?? (() => ""),
  };
  const nextTurn = createTurns();

  const streamOf = (name: string) => {
    const stream = findStream(definitions, name);
    limits?.check(stream.projectUid);
    return stream;
  };

  const send = (call: PushCall, stream: StreamDefinition): Eventually<SentCall> => {
    const target = logOf(stream, call.branch);
    const records = checkRecords(call.records, stream);
    const go = (checked: RecordSet) => encode(call, { stream, target, records: checked });
    return records instanceof Promise ? records.then(go) : go(records);
  };

  const encode = (call: PushCall, { stream, target, records }: Checked): Eventually<SentCall> => {
    const facts = factsOf(call, { stream, nowMs: now() });
    const rows = divide(records, stream, () => nextTurn(stream));
    const isSmall = records.bytes.length <= SLICE_BYTES;
    if (isSmall && call.idempotencyKey === "") {
      const parts = encodePartsAtOnce(facts, records, rows);
      return append({ call, stream, facts, parts, target, records });
    }
    return encodeParts(facts, records, rows).then(async (parts) =>
      append(
        { call, stream, facts, parts, target, records },
        await idempotencyOf(call, records, target),
      ),
    );
  };

  const append = (encoded: EncodedCall, idempotency?: LogCall["idempotency"]): SentCall => {
    const { stream, records } = encoded;
    const appended = log.append(logCall(encoded, idempotency));
    if (records.drifted?.length) options.onDrift?.(stream, driftedOf(records));
    return { encoded, appended };
  };

  /** The answer to a call that the log has got; when its generation is sealed, that of the next. */
  const answerOf = (call: PushCall, { encoded, appended }: SentCall): Promise<PushResult> =>
    appended.then(
      (stored) => finish(encoded, stored, told),
      async (error: unknown) => {
        if (reasonOf(error) !== "GENERATION_SEALED") throw refused(error, call, options);
        await waitForNewer(definitions, encoded.stream);
        const again = await send(call, streamOf(call.stream));
        return finish(again.encoded, await again.appended, told);
      },
    );

  const begin = (call: PushCall): Eventually<SentCall> =>
    tellingRefusal(call, options, () => {
      checkIdempotencyKey(call.idempotencyKey);
      const stream = findStream(definitions, call.stream);
      limits?.take(stream.projectUid, countOf(call.records), call.records.bytes.length);
      return send(call, stream);
    });

  return {
    streamOf,
    lookFor: (name) => lookFor(name, options),
    async start(call) {
      const looking = lookFor(call.stream, options);
      if (looking) await looking;
      return { answer: answerOf(call, await begin(call)) };
    },
    push(call) {
      try {
        const sent = begin(call);
        if (!(sent instanceof Promise)) return answerOf(call, sent);
        return sent.then((each) => answerOf(call, each));
      } catch (error) {
        return Promise.reject(error);
      }
    },
  };
}

/** Does the work; a refusal is told. */
function tellingRefusal<T>(
  call: PushCall,
  options: IngestOptions,
  work: () => Eventually<T>,
): Eventually<T> {
  const tell = (error: unknown): never => {
    throw refused(error, call, options);
  };
  try {
    const result = work();
    return result instanceof Promise ? result.catch(tell) : result;
  } catch (error) {
    return tell(error);
  }
}

/** The error, once it is told. */
function refused(error: unknown, call: PushCall, options: IngestOptions): unknown {
  const stream = isRefusal(error) ? options.definitions.stream(call.stream) : undefined;
  if (stream) options.onRefused?.(stream, countOf(call.records));
  return error;
}

/** Gives the partition of the next call to a stream without keys. */
function createTurns(): (stream: StreamDefinition) => number {
  const turns = new WeakMap<StreamDefinition, { next: number }>();
  return (stream) => {
    const turn = turns.get(stream) ?? { next: 0 };
    turns.set(stream, turn);
    turn.next = (turn.next + 1) % stream.partitions;
    return turn.next;
  };
}

function lookFor(name: string, { definitions, lookAgain }: IngestOptions) {
  return definitions.stream(name) || !parseName(name, "stream") ? undefined : lookAgain?.();
}

function factsOf(
  { caller }: PushCall,
  { stream, nowMs }: { readonly stream: StreamDefinition; readonly nowMs: number },
): CallFacts {
  return {
    arrivalTimeUs: Math.round(nowMs * 1000),
    source: caller.source ?? "push",
    authentication: caller.authentication,
    address: caller.address,
    schemaVersion: stream.schemaVersion,
    traceContext: caller.traceContext,
    ...(caller.contentType && { contentType: caller.contentType }),
    ...(caller.headers && { headers: caller.headers }),
  };
}

/** What answers are made with, beside the call. */
interface Told {
  readonly reader: LogReader | undefined;
  readonly counts: PushCounts | undefined;
  readonly durabilityWarning: () => string;
}

function finish(sent: EncodedCall, appended: LogAppended, told: Told): Eventually<PushResult> {
  if (told.counts) countStored(told.counts, sent.records, appended.isDuplicate);
  const warning = told.durabilityWarning();
  if (!sent.call.returnRecordIds) return resultOf(sent, appended, { warning, ids: [] });
  const blocks = sent.parts.map((part) => part.encoded);
  const from = { log: sent.target, reader: told.reader };
  return arrivalOf(appended, sent.facts, from).then((arrivalUs) => {
    const ids =
      arrivalUs === undefined ? [] : idsOf(blocks, appended, { log: sent.target, arrivalUs });
    return resultOf(sent, appended, { warning, ids });
  });
}

function resultOf(
  { parts }: EncodedCall,
  appended: LogAppended,
  { warning, ids }: { readonly warning: string; readonly ids: string[] },
): PushResult {
  let count = 0;
  for (const { encoded } of parts) count += encoded.rows.length;
  return {
    accepted: BigInt(count),
    duplicate: appended.isDuplicate,
    firstPlace: firstPlaceOf(parts, appended),
    recordIds: ids,
    durabilityWarning: warning,
  };
}

/** Copies, for the body goes when the call has its answer. */
function driftedOf({ bytes, spans, drifted = [] }: RecordSet): Uint8Array[] {
  return drifted.map((i) => bytes.slice(spans[i * 2]!, spans[i * 2 + 1]!));
}

/** A call whose records fit the stream. */
interface Checked {
  readonly stream: StreamDefinition;
  readonly target: LogDefinition;
  readonly records: RecordSet;
}

/** A call ready for the log. */
interface EncodedCall extends Checked {
  readonly call: PushCall;
  readonly facts: CallFacts;
  readonly parts: readonly EncodedPart[];
}

/** A call that the log has got. */
interface SentCall {
  readonly encoded: EncodedCall;
  readonly appended: Promise<LogAppended>;
}

function logCall(
  { stream, target, parts }: EncodedCall,
  idempotency: LogCall["idempotency"],
): LogCall {
  return {
    shard: target.shard,
    logUid: target.uid,
    generation: stream.generation,
    projectUid: stream.projectUid,
    parts: parts.map(({ partition, encoded }) => ({
      partition,
      block: encoded.block,
      count: encoded.rows.length,
    })),
    ...(idempotency && { idempotency }),
  };
}
