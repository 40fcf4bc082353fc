/** The JSON bodies of a push, read so that the bytes of each record stay as they came. */
import { ConnectError } from "@connectrpc/connect";
import { fail, failFields } from "../core/errors.ts";
import type { Eventually } from "../core/eventually.ts";
import { failJson, JsonFault, requireUtf8 } from "../core/json-fault.ts";
import { faultHere, type JsonScan, peekSpaced, scanLiteral } from "../core/json-scan.ts";
import type { RuleSource } from "../core/record-rules.ts";
import { readName, readPushRecord, readText } from "./push-record.ts";
import {
  countOf,
  createCollector,
  finishCollector,
  isSliceOver,
  type RecordCollector,
  type RecordSet,
  yieldTurn,
} from "./record-set.ts";
import { noteUnread } from "./refused-records.ts";

/** A PushRequest with its records in place. */
export interface PushBody {
  readonly stream: string;
  readonly branch: string;
  readonly idempotencyKey: string;
  readonly returnRecordIds: boolean;
  readonly records: RecordSet;
}

/**
 * Looks up a stream as soon as its name is known, so that records are checked while they are read.
 * Throws when the caller may not push to it.
 */
export type StreamLookup = (stream: string) => RuleSource;

/**
 * Reads the JSON form of PushRequest. Fields may come in any order; names as in proto JSON, in camel
 * or snake case. Fails with INVALID_JSON, INVALID_FIELDS, RECORD_INVALID, TOO_LARGE, or with what
 * `lookup` throws.
 */
export function readPushRequest(body: Uint8Array, lookup: StreamLookup): Eventually<PushBody> {
  return withFaults(body, (begin) => {
    const collector = begin();
    const { scan } = collector;
    if (peekSpaced(scan) !== 0x7b) throw faultHere(scan, "a JSON object with stream and records");
    scan.at++;
    return readFields({
      collector,
      lookup,
      seen: new Set<string>(),
      draft: { stream: "", branch: "", idempotencyKey: "", returnRecordIds: false },
    });
  });
}

interface RequestReader {
  readonly collector: RecordCollector;
  readonly lookup: StreamLookup;
  readonly seen: Set<string>;
  readonly draft: { -readonly [K in Exclude<keyof PushBody, "records">]: PushBody[K] };
}

/** The fields from the scan's place on. */
function readFields(reader: RequestReader): Eventually<PushBody> {
  const { collector, lookup, seen, draft } = reader;
  const { scan } = collector;
  while (peekSpaced(scan) !== 0x7d) {
    if (seen.size > 0) {
      if (scan.bytes[scan.at] !== 0x2c) throw faultHere(scan, 'a "," or "}"');
      scan.at++;
    }
    const name = camelCase(readName(scan, seen));
    if (name === "records") {
      const reading = readRecords(collector);
      if (reading) return reading.then(() => readFields(reader));
    } else if (name === "returnRecordIds") draft.returnRecordIds = readBoolean(scan);
    else if (name === "stream" || name === "branch" || name === "idempotencyKey") {
      draft[name] = readText(scan, snakeCase(name));
      if (name === "stream") collector.source = lookup(draft.stream);
    } else throw unknownField(name);
  }
  scan.at++;
  requireEnd(scan);
  if (!collector.source) lookup(draft.stream);
  return { ...draft, records: finishCollector(collector, true) };
}

/**
 * Reads the bodies of the REST face: an array of records, one record, or one on each line
 * (NDJSON). Fails as `readPushRequest`.
 */
export function readRestRecords(body: Uint8Array, source: RuleSource): Eventually<RecordSet> {
  return withFaults(body, (begin) => {
    const collector = begin();
    collector.source = source;
    const { scan } = collector;
    const first = peekSpaced(scan);
    const isArray = first === 0x5b;
    if (!isArray && first !== 0x7b) {
      throw faultHere(scan, 'records: [{"value":{…}}], one such object, or one on each line');
    }
    const finish = () => {
      if (isArray) requireEnd(scan);
      return finishCollector(collector, true);
    };
    const reading = isArray ? readRecords(collector) : readLines(collector);
    return reading ? reading.then(finish) : finish();
  });
}

/** Records up to the end of the body, each on a line; a promise when others get a turn. */
function readLines(collector: RecordCollector): Promise<void> | undefined {
  const { scan } = collector;
  for (;;) {
    readPushRecord(collector);
    const end = scan.at;
    if (peekSpaced(scan) === -1) return undefined;
    requireLineBreak(scan.bytes, end, scan.at);
    if (isSliceOver(collector)) return yieldTurn().then(() => readLines(collector));
  }
}

/** Two records on one line are no NDJSON: more likely, something is missing between them. */
export function requireLineBreak(body: Uint8Array, from: number, to: number): void {
  if (body.subarray(from, to).includes(0x0a)) return;
  throw new JsonFault(
    to,
    "a record follows another on the same line: give each its own line, or all in one array",
  );
}

/** A collector at the first byte of a body, which must be UTF-8. Throws JsonFault. */
function startBody(body: Uint8Array): RecordCollector {
  requireUtf8(body);
  const collector = createCollector(body);
  // A byte order mark says UTF-8, which is what the text is anyway.
  if (body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf) collector.scan.at = 3;
  return collector;
}

/**
 * Runs a reader, which begins with a collector at the first byte of the body; what it throws becomes an
 * error of ours, and how many records were read is noted beside it.
 */
export function withFaults<T>(
  body: Uint8Array,
  read: (begin: () => RecordCollector) => Eventually<T>,
): Eventually<T> {
  let collector: RecordCollector | undefined;
  const rethrow = (error: unknown): never => {
    const told = toldOf(error, body);
    noteUnread(told, collector ? countOf(collector) : 0);
    throw told;
  };
  try {
    const result = read(() => {
      collector = startBody(body);
      return collector;
    });
    return result instanceof Promise ? result.catch(rethrow) : result;
  } catch (error) {
    return rethrow(error);
  }
}

function toldOf(error: unknown, body: Uint8Array): ConnectError {
  if (error instanceof JsonFault) return failJson(error, body);
  if (error instanceof ConnectError) return error;
  return fail("INTERNAL", "the body could not be read", { cause: error });
}

/** The array of records; a promise when others get a turn. */
function readRecords(collector: RecordCollector): Promise<void> | undefined {
  const { scan } = collector;
  const first = peekSpaced(scan);
  if (first === 0x6e) {
    scanLiteral(scan, first);
    return undefined;
  }
  if (first !== 0x5b) {
    if (first === -1) throw faultHere(scan, "an array of records");
    throw failFields([{ field: "records", description: "is not an array" }]);
  }
  scan.at++;
  if (peekSpaced(scan) === 0x5d) {
    scan.at++;
    return undefined;
  }
  return readElements(collector);
}

function readElements(collector: RecordCollector): Promise<void> | undefined {
  const { scan } = collector;
  for (;;) {
    readPushRecord(collector);
    const byte = peekSpaced(scan);
    if (byte !== 0x2c && byte !== 0x5d) throw faultHere(scan, 'a "," or "]"');
    scan.at++;
    if (byte === 0x5d) return undefined;
    if (isSliceOver(collector)) return yieldTurn().then(() => readElements(collector));
  }
}

function readBoolean(scan: JsonScan): boolean {
  const byte = peekSpaced(scan);
  if (byte !== 0x74 && byte !== 0x66 && byte !== 0x6e) {
    if (byte === -1) throw faultHere(scan, "true or false");
    throw failFields([{ field: "return_record_ids", description: "is not true or false" }]);
  }
  scanLiteral(scan, byte);
  return byte === 0x74;
}

/** Refuses text behind the end of the value. */
export function requireEnd(scan: JsonScan): void {
  if (peekSpaced(scan) !== -1) {
    throw new JsonFault(scan.at, "more text follows the end of the value");
  }
}

function unknownField(name: string) {
  const field = name.slice(0, 60);
  const known = "stream, branch, records, idempotencyKey, returnRecordIds";
  return failFields([{ field, description: `is no field of a push, which has ${known}` }]);
}

/** The two names that proto JSON takes for a field, as one. */
function camelCase(name: string): string {
  if (name === "idempotency_key") return "idempotencyKey";
  return name === "return_record_ids" ? "returnRecordIds" : name;
}

function snakeCase(name: string): string {
  return name === "idempotencyKey" ? "idempotency_key" : name;
}
