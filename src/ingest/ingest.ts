/** From checked records to the log: partitions, blocks, idempotency, places. */
import { createHash } from "node:crypto";
import type { Definitions, LogDefinition, StreamDefinition } from "../core/definitions.ts";
import { failFields, notFound, reasonOf } from "../core/errors.ts";
import type { LogAppended, LogCall, LogReader, LogWriter } from "../core/log.ts";
import { formatName, ID_PATTERN, parseName } from "../core/names.ts";
import { partitionOf } from "../core/partition.ts";
import {
  type BlockHeader,
  type CallFacts,
  divideRows,
  type EncodedBlock,
  encodeCallBlock,
} from "../core/record-block.ts";
import { contentHash } from "./content-hash.ts";
import type { PushLimits } from "./push-limits.ts";
import { checkRecords, countOf, type RecordSet, SLICE_BYTES, yieldTurn } from "./record-set.ts";
import { arrivalOf, firstPlaceOf, idsOf } from "./stored-places.ts";

/** One call. */
export interface PushCall {
  /** `projects/{p}/streams/{s}`; the caller must have been authorised for it. */
  readonly stream: string;
  /** Branch id; empty means `main`. */
  readonly branch: string;
  readonly records: RecordSet;
  /** Empty for none. */
  readonly idempotencyKey: string;
  readonly returnRecordIds: boolean;
  readonly caller: PushCaller;
}

/** Where a call came from, kept with its records. */
export interface PushCaller {
  /** Id of the principal. */
  readonly id: string;
  /** How it proved who it is: `oauth2`, `token`, `session`, or the kind of a source. */
  readonly authentication: string;
  readonly address: string;
  /** W3C traceparent; empty for none. */
  readonly traceContext: string;
  /** The way in: `push` when left out, else the id of the source. */
  readonly source?: string;
  /** Content type and headers of the request, where they are to be kept. */
  readonly contentType?: string;
  readonly headers?: readonly BlockHeader[];
}

/** The answer, as PushResponse has it. */
export interface PushResult {
  readonly accepted: bigint;
  readonly duplicate: boolean;
  readonly firstPlace: string;
  readonly recordIds: string[];
  readonly durabilityWarning: string;
}

/** The way in. */
export interface Ingest {
  /**
   * The definition of a stream that may be pushed to now. Fails with RESOURCE_NOT_FOUND (INVALID_FIELDS
   * when it is no such name), and as `PushLimits.check`.
   */
  streamOf(name: string): StreamDefinition;
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
  /** What the stream's project may push; without it everything. */
  readonly limits?: PushLimits;
  /** Finds the arrival of a duplicate's original, for its record ids; without it they are left out. */
  readonly reader?: LogReader;
  /** Milliseconds since 1970, fractions welcome. */
  readonly now?: () => number;
  /** Told of stored records that the schema does not know; must not wait. */
  readonly onDrift?: (stream: StreamDefinition, records: readonly Uint8Array[]) => void;
  /** A warning for every answer when the log is not power-safe; else empty. */
  readonly durabilityWarning?: () => string;
}

const IDEMPOTENCY_KEY_BYTES_MAX = 256;
/** How long to wait for the definition of a generation that the log knows already. */
const FRESH_WAIT_MS = 3000;

const preciseNow = () => performance.timeOrigin + performance.now();

/** Makes the way in. */
export function createIngest(options: IngestOptions): Ingest {
  const { definitions, log, limits, now = preciseNow, durabilityWarning = () => "" } = options;
  const turns = new WeakMap<StreamDefinition, { next: number }>();

  const streamOf = (name: string) => {
    const stream = definitions.stream(name);
    // Parsing costs more than looking up, and a stream that exists has a good name.
    if (stream) {
      limits?.check(stream.projectUid);
      return stream;
    }
    if (parseName(name, "stream")) throw notFound(name);
    throw failFields([{ field: "stream", description: "is not projects/{p}/streams/{s}" }]);
  };

  /** The partition of the next call to a stream without keys. */
  const nextTurn = (stream: StreamDefinition) => {
    const turn = turns.get(stream) ?? { next: 0 };
    turns.set(stream, turn);
    turn.next = (turn.next + 1) % stream.partitions;
    return turn.next;
  };

  const send = async (call: PushCall, stream: StreamDefinition) => {
    const target = logOf(stream, call.branch);
    const records = await checkRecords(call.records, stream);
    const { caller } = call;
    const facts: CallFacts = {
      arrivalTimeUs: Math.round(now() * 1000),
      source: caller.source ?? "push",
      authentication: caller.authentication,
      address: caller.address,
      schemaVersion: stream.schemaVersion,
      traceContext: caller.traceContext,
      ...(caller.contentType && { contentType: caller.contentType }),
      ...(caller.headers && { headers: caller.headers }),
    };
    const rows = divide(records, stream, () => nextTurn(stream));
    const parts = await encodeParts(facts, records, rows);
    const idempotency = await idempotencyOf(call, records, target);
    const appended = log.append(logCall({ stream, log: target, parts, idempotency }));
    if (records.drifted?.length) options.onDrift?.(stream, driftedOf(records));
    return { answer: appended.then((stored) => finish({ call, facts, parts, target }, stored)) };
  };

  const finish = async (sent: SentCall, appended: LogAppended): Promise<PushResult> => {
    const blocks = sent.parts.map((part) => part.encoded);
    const from = { log: sent.target, reader: options.reader };
    const arrivalUs = sent.call.returnRecordIds
      ? await arrivalOf(appended, sent.facts, from)
      : undefined;
    return {
      accepted: BigInt(blocks.reduce((sum, block) => sum + block.rows.length, 0)),
      duplicate: appended.isDuplicate,
      firstPlace: firstPlaceOf(blocks, appended),
      recordIds:
        arrivalUs === undefined ? [] : idsOf(blocks, appended, { log: sent.target, arrivalUs }),
      durabilityWarning: durabilityWarning(),
    };
  };

  const start = async (call: PushCall) => {
    checkIdempotencyKey(call.idempotencyKey);
    const stream = streamOf(call.stream);
    limits?.take(stream.projectUid, countOf(call.records), call.records.bytes.length);
    const sent = await send(call, stream);
    const answer = sent.answer.catch(async (error: unknown) => {
      if (reasonOf(error) !== "GENERATION_SEALED") throw error;
      await waitForNewer(definitions, stream);
      return (await send(call, streamOf(call.stream))).answer;
    });
    return { answer };
  };

  return { streamOf, start, push: async (call) => (await start(call)).answer };
}

/** Copies, for the body goes when the call has its answer. */
function driftedOf({ bytes, spans, drifted = [] }: RecordSet): Uint8Array[] {
  return drifted.map((i) => bytes.slice(spans[i * 2]!, spans[i * 2 + 1]!));
}

/** A call that the log has got. */
interface SentCall {
  readonly call: PushCall;
  readonly facts: CallFacts;
  readonly parts: readonly EncodedPart[];
  readonly target: LogDefinition;
}

function checkIdempotencyKey(key: string): void {
  if (Buffer.byteLength(key) <= IDEMPOTENCY_KEY_BYTES_MAX) return;
  const description = `is longer than ${IDEMPOTENCY_KEY_BYTES_MAX} bytes`;
  throw failFields([{ field: "idempotency_key", description }]);
}

function logOf(stream: StreamDefinition, branch: string): LogDefinition {
  const id = branch === "" ? "main" : branch;
  const log = ID_PATTERN.test(id) ? stream.logs.get(id) : undefined;
  if (log) return log;
  if (!ID_PATTERN.test(id)) {
    throw failFields([{ field: "branch", description: "is not an id such as main" }]);
  }
  throw notFound(formatName("branch", ...parseName(stream.name, "stream")!, id));
}

/** Resolves when the definition of a stream was replaced, or after 3 s. */
function waitForNewer(definitions: Definitions, stream: StreamDefinition): Promise<void> {
  if (definitions.stream(stream.name) !== stream) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      stop();
      resolve();
    };
    const timer = setTimeout(finish, FRESH_WAIT_MS);
    const stop = definitions.onChange(() => {
      if (definitions.stream(stream.name) !== stream) finish();
    });
  });
}

/** The rows of each partition: by key, else all on the next one. */
function divide(
  records: RecordSet,
  stream: StreamDefinition,
  nextPartition: () => number,
): { readonly partition: number; readonly rows: readonly number[] }[] {
  const count = countOf(records);
  if (stream.keyFields.length === 0 || stream.partitions === 1) {
    const partition = stream.partitions === 1 ? 0 : nextPartition();
    return [{ partition, rows: Array.from({ length: count }, (_, i) => i) }];
  }
  const rows: number[][] = Array.from({ length: stream.partitions }, () => []);
  for (let i = 0; i < count; i++) {
    rows[partitionOf(records.hashes[i]!, stream.partitions)]!.push(i);
  }
  return rows
    .map((list, partition) => ({ partition, rows: list }))
    .filter((part) => part.rows.length > 0);
}

/** An encoded block on its way to a partition. */
interface EncodedPart {
  readonly partition: number;
  readonly encoded: EncodedBlock;
}

/** Encodes block by block; between the blocks of a large call others get a turn. */
async function encodeParts(
  facts: CallFacts,
  records: RecordSet,
  divided: ReturnType<typeof divide>,
): Promise<EncodedPart[]> {
  const parts: EncodedPart[] = [];
  let bytes = 0;
  for (const { partition, rows } of divided) {
    for (const chosen of divideRows(records, rows)) {
      if (bytes > SLICE_BYTES) {
        await yieldTurn();
        bytes = 0;
      }
      const encoded = encodeCallBlock(facts, records, chosen);
      bytes += encoded.block.length;
      parts.push({ partition, encoded });
    }
  }
  return parts;
}

async function idempotencyOf(call: PushCall, records: RecordSet, log: LogDefinition) {
  if (call.idempotencyKey === "") return undefined;
  const identity = JSON.stringify([call.caller.id, log.uid, call.idempotencyKey]);
  const id = createHash("sha256").update(identity).digest("base64url");
  return { id, bodyHash: await contentHash(records) };
}

interface EncodedCall {
  readonly stream: StreamDefinition;
  readonly log: LogDefinition;
  readonly parts: readonly EncodedPart[];
  readonly idempotency: LogCall["idempotency"];
}

function logCall({ stream, log, parts, idempotency }: EncodedCall): LogCall {
  return {
    shard: log.shard,
    logUid: log.uid,
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
