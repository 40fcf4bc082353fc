/** The records of a call on their way from request bytes to the log. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { fail, failFields } from "../core/errors.ts";
import type { Eventually } from "../core/eventually.ts";
import { failJson, JsonFault, requireUtf8 } from "../core/json-fault.ts";
import { faultHere, peekSpaced, scanValue } from "../core/json-scan.ts";
import type { RecordRows } from "../core/record-block.ts";
import { scannedKeyHash } from "../core/record-key.ts";
import { type RuleSource, rulesOf } from "../core/record-rules.ts";
import {
  FAULTS_MAX,
  prefixFaults,
  type RecordScan,
  recordScan,
  report,
} from "../core/schema-scan.ts";

/** One record, as JSON text, has at most this many bytes: 1 MiB less 4 KiB of overhead. */
export const RECORD_BYTES_MAX = 1024 * 1024 - 4096;
/** Records of one call. */
export const RECORDS_MAX = 100_000;
/** Bytes that are scanned before others get a turn: about 1 ms. */
export const SLICE_BYTES = 256 * 1024;
const ID_BYTES_MAX = 256;
/** Records of one call that are looked at for what the schema does not know. */
const DRIFTED_MAX = 16;

/** Records in place, and the definition that they were checked by. */
export interface RecordSet extends RecordRows {
  /** Undefined when nobody has checked them, or only that they are JSON. */
  readonly checkedBy: RuleSource | undefined;
  /** Whether all of `bytes` is known to be UTF-8. */
  readonly isUtf8: boolean;
  /** Indexes of records that the schema does not know and the stream takes all the same; 16 at most. */
  readonly drifted?: readonly number[];
}

/** A record set that grows while a body is read. */
export interface RecordCollector {
  readonly scan: RecordScan;
  readonly spans: number[];
  readonly ids: string[];
  readonly hashes: number[];
  /** See RecordSet. */
  readonly drifted: number[];
  hasIds: boolean;
  /** Set when the stream is known; records read before are checked later. */
  source: RuleSource | undefined;
  /** Whether a record was read before the stream was known. */
  hasUnchecked: boolean;
  /** Records that do not stand in the body itself (base64, Struct); they are checked later. */
  readonly apart: Uint8Array[];
  apartBytes: number;
  /** Where the scan was when others had their last turn. */
  mark: number;
}

/** A collector over a body. */
export function createCollector(bytes: Uint8Array, source?: RuleSource): RecordCollector {
  return {
    scan: recordScan(bytes),
    spans: [],
    ids: [],
    hashes: [],
    drifted: [],
    hasIds: false,
    source,
    hasUnchecked: false,
    apart: [],
    apartBytes: 0,
    mark: 0,
  };
}

/** Number of records so far. */
export function countOf(records: { readonly spans: readonly number[] }): number {
  return records.spans.length / 2;
}

/** Whether the scan went on long enough that others should get a turn: then await `nextTurn()`. */
export function isSliceOver(collector: RecordCollector): boolean {
  if (collector.scan.at - collector.mark < SLICE_BYTES) return false;
  collector.mark = collector.scan.at;
  return true;
}

/** Lets others have a turn. */
export const yieldTurn = (): Promise<void> => nextTurn();

/** Reads the record at the scan's place, and checks it when the stream is known. */
export function takeRecord(collector: RecordCollector): void {
  const { scan, source } = collector;
  requireRoom(collector);
  peekSpaced(scan);
  const start = scan.at;
  const bodyEnd = scan.end;
  scan.end = Math.min(bodyEnd, start + RECORD_BYTES_MAX);
  try {
    if (source) checkOne(collector, source);
    else {
      scanValue(scan, 1);
      collector.hasUnchecked = true;
    }
  } catch (error) {
    const isCut = error instanceof JsonFault && scan.end < bodyEnd && error.offset >= scan.end;
    throw isCut ? recordTooLarge(countOf(collector)) : error;
  }
  scan.end = bodyEnd;
  collector.spans.push(start, scan.at);
}

/** What a collector holds, to go back to. */
export interface CollectorMark {
  readonly spans: number;
  readonly ids: number;
  readonly hashes: number;
  readonly faults: number;
  readonly end: number;
}

/** Remembers what the collector holds now. */
export function markOf({ spans, ids, hashes, scan }: RecordCollector): CollectorMark {
  const { length: faults } = scan.faults;
  return { spans: spans.length, ids: ids.length, hashes: hashes.length, faults, end: scan.end };
}

/** Takes back all that was added since a mark, faults included; the scan stays where it is. */
export function rewindTo(collector: RecordCollector, mark: CollectorMark): void {
  collector.spans.length = mark.spans;
  collector.ids.length = mark.ids;
  collector.hashes.length = mark.hashes;
  collector.scan.faults.length = mark.faults;
  collector.scan.end = mark.end;
}

/** Adds a record that came encoded: it is checked later. */
export function takeApart(collector: RecordCollector, record: Uint8Array): void {
  requireRoom(collector);
  if (record.length > RECORD_BYTES_MAX) throw recordTooLarge(countOf(collector));
  const start = collector.scan.bytes.length + collector.apartBytes;
  collector.spans.push(start, start + record.length);
  collector.apart.push(record);
  collector.apartBytes += record.length;
}

/** Adds a record given as a view of the body itself: it is checked later. */
export function takeInPlace(collector: RecordCollector, record: Uint8Array): void {
  requireRoom(collector);
  if (record.length > RECORD_BYTES_MAX) throw recordTooLarge(countOf(collector));
  const start = record.byteOffset - collector.scan.bytes.byteOffset;
  collector.spans.push(start, start + record.length);
  collector.hasUnchecked = true;
}

/** Sets the producer's id of the last record. */
export function takeId(collector: RecordCollector, id: string): void {
  const index = countOf(collector) - 1;
  if (Buffer.byteLength(id) > ID_BYTES_MAX) {
    const field = `records[${index}].id`;
    throw failFields([{ field, description: `is longer than ${ID_BYTES_MAX} bytes` }]);
  }
  while (collector.ids.length < index) collector.ids.push("");
  collector.ids[index] = id;
  if (id !== "") collector.hasIds = true;
}

/** The set, when the body was read to its end. Fails when records were faulty or none came. */
export function finishCollector(collector: RecordCollector, isUtf8: boolean): RecordSet {
  const { scan, spans, ids, hashes, source, apart } = collector;
  if (scan.faults.length > 0) throw failRecords(scan);
  const count = countOf(collector);
  if (count === 0) {
    throw failFields([{ field: "records", description: "is empty: push at least one record" }]);
  }
  if (collector.hasIds) while (ids.length < count) ids.push("");
  const isChecked = apart.length === 0 && !collector.hasUnchecked;
  return {
    bytes: apart.length > 0 ? Buffer.concat([scan.bytes, ...apart]) : scan.bytes,
    spans,
    ids: collector.hasIds ? ids : [],
    hashes: isChecked ? hashes : [],
    checkedBy: isChecked ? source : undefined,
    isUtf8: isUtf8 && apart.length === 0,
    ...(isChecked && collector.drifted.length > 0 && { drifted: collector.drifted }),
  };
}

/** The same records, checked by a definition: as they are when it has checked them already. */
export function checkRecords(records: RecordSet, source: RuleSource): Eventually<RecordSet> {
  return records.checkedBy === source ? records : checkAll(records, source);
}

async function checkAll(records: RecordSet, source: RuleSource): Promise<RecordSet> {
  const collector = createCollector(records.bytes, source);
  const { scan } = collector;
  const { spans } = records;
  for (let i = 0; i < spans.length; i += 2) {
    scan.at = spans[i]!;
    scan.end = spans[i + 1]!;
    try {
      if (!records.isUtf8) requireUtf8Span(scan);
      checkOne(collector, source);
      if (peekSpaced(scan) !== -1) throw faultHere(scan, "the end of the record");
    } catch (error) {
      if (!(error instanceof JsonFault)) throw error;
      throw failJson(error, scan.bytes, { base: spans[i]!, what: `records[${i / 2}]` });
    }
    collector.spans.push(spans[i]!, spans[i + 1]!);
    if (isSliceOver(collector)) await yieldTurn();
  }
  if (scan.faults.length > 0) throw failRecords(scan);
  const { hashes, drifted } = collector;
  return { ...records, hashes, checkedBy: source, isUtf8: true, drifted };
}

/** Checks the record at the scan's place as the next one of the set, and notes its key's hash. */
function checkOne(collector: RecordCollector, source: RuleSource): void {
  const { scan, hashes } = collector;
  const rules = rulesOf(source);
  const before = scan.faults.length;
  const start = scan.at;
  rules.check(scan);
  if (scan.faults.length !== before && rules.fallback) {
    scan.faults.length = before;
    scan.at = start;
    rules.fallback(scan);
    const isTold = collector.drifted.length < DRIFTED_MAX;
    if (scan.faults.length === before && isTold) collector.drifted.push(countOf(collector));
  }
  if (scan.faults.length === before && rules.key) {
    const hash = scannedKeyHash(scan, rules.key);
    if (typeof hash === "number") hashes.push(hash);
    else {
      report(scan, "is longer than 1,024 bytes, which is too long for a key");
      prefixFaults(scan, before, hash);
    }
  }
  if (scan.faults.length === before) return;
  prefixFaults(scan, before, `records[${countOf(collector)}]`);
  if (scan.faults.length >= FAULTS_MAX) throw failRecords(scan);
}

function requireUtf8Span(scan: RecordScan): void {
  try {
    requireUtf8(scan.bytes.subarray(scan.at, scan.end));
  } catch (error) {
    if (error instanceof JsonFault) throw new JsonFault(scan.at + error.offset, error.message);
    throw error;
  }
}

function requireRoom(collector: RecordCollector): void {
  if (collector.spans.length < RECORDS_MAX * 2) return;
  throw fail("TOO_LARGE", `a call may push ${RECORDS_MAX} records: split it`);
}

function recordTooLarge(index: number) {
  const field = `records[${index}]`;
  const description = `is larger than ${RECORD_BYTES_MAX} bytes, the most that a record may have`;
  return fail("RECORD_INVALID", `${field} ${description}`, {
    violations: [{ field, description }],
    metadata: { index: String(index), field: "" },
  });
}

/** RECORD_INVALID with every fault found; the text tells the first one. */
function failRecords(scan: RecordScan) {
  const violations = scan.faults.map((f) => ({ field: f.path, description: f.description }));
  const first = violations[0]!;
  const [, index = "0", field = ""] = /^records\[(\d+)\]\.?(.*)$/s.exec(first.field) ?? [];
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : "";
  return fail("RECORD_INVALID", `${first.field} ${first.description}${more}`, {
    violations,
    metadata: { index, field },
  });
}
