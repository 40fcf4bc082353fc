/** The bodies that sources of mode RECORDS take, record by record. */
import { ConnectError } from "@connectrpc/connect";
import { fail, reasonOf } from "../core/errors.ts";
import type { Eventually } from "../core/eventually.ts";
import { failJson, JsonFault } from "../core/json-fault.ts";
import { findScalar } from "../core/json-find.ts";
import type { JsonPath } from "../core/json-path.ts";
import { faultHere, peekSpaced } from "../core/json-scan.ts";
import type { RuleSource } from "../core/record-rules.ts";
import { FAULTS_MAX, report } from "../core/schema-scan.ts";
import { requireEnd, requireLineBreak, withFaults } from "./push-body.ts";
import {
  type CollectorMark,
  countOf,
  finishCollector,
  isSliceOver,
  markOf,
  type RecordCollector,
  type RecordSet,
  rewindTo,
  takeId,
  takeRecord,
  yieldTurn,
} from "./record-set.ts";
import { isWrapped, readWrapped } from "./wrapped-record.ts";

/** Bytes that a producer's id may have. */
const ID_BYTES_MAX = 256;

/** How a body is read. */
export interface SourceBodyOptions {
  readonly stream: RuleSource;
  /** Where a record's own id stands. */
  readonly idPath?: JsonPath | undefined;
  /** Whether refused records are set apart, so that the others are taken. */
  readonly canSetApart: boolean;
}

/** A record that was refused, byte for byte, and why. */
export interface RefusedRecord {
  /** Counts all records of the body, from 0. */
  readonly index: number;
  readonly content: Uint8Array;
  readonly reason: "RECORD_INVALID" | "INVALID_JSON";
  readonly error: string;
}

/** What a body holds. */
export interface SourceRecords {
  /** Undefined when every record was refused. */
  readonly records: RecordSet | undefined;
  /** Empty unless refused records are set apart. */
  readonly refused: readonly RefusedRecord[];
}

/** The most that is set apart as one record; larger ones refuse the whole request. */
export const REFUSED_BYTES_MAX = 900 * 1024;

/**
 * Reads one JSON object, an array of them, one on each line, or joined by commas; each may be wrapped as
 * `{"value":{…},"id":"…"}` when the stream has no field `value`. Fails with INVALID_JSON (with the
 * position), RECORD_INVALID (with index and field), INVALID_FIELDS or TOO_LARGE.
 */
export function readSourceBody(
  body: Uint8Array,
  options: SourceBodyOptions,
): Eventually<SourceRecords> {
  return withFaults(body, (begin) => {
    const reader = startReader(begin, options);
    if (!reader) return { records: undefined, refused: [setApartWhole(body)] };
    const { collector, refused } = reader;
    const finish = (): SourceRecords => {
      const isNone = countOf(collector) === 0 && refused.length > 0;
      return { records: isNone ? undefined : finishCollector(collector, true), refused };
    };
    const reading = readAll(reader);
    return reading ? reading.then(finish) : finish();
  });
}

interface Reader {
  readonly collector: RecordCollector;
  readonly options: SourceBodyOptions;
  readonly canBeWrapped: boolean;
  readonly refused: RefusedRecord[];
  /** Index of the next record. */
  index: number;
}

/** Undefined when the body is not UTF-8 and is to be set apart. */
function startReader(begin: () => RecordCollector, options: SourceBodyOptions): Reader | undefined {
  try {
    const collector = begin();
    collector.source = options.stream;
    const { fields } = options.stream.schema;
    const canBeWrapped = !fields.some((field) => field.name === "value");
    return { collector, options, canBeWrapped, refused: [], index: 0 };
  } catch (error) {
    if (error instanceof JsonFault && options.canSetApart) return undefined;
    throw error;
  }
}

function setApartWhole(content: Uint8Array): RefusedRecord {
  checkRefusedSize(content);
  const error = "the body is not UTF-8, which JSON must be";
  return { index: 0, content, reason: "INVALID_JSON", error };
}

/** Reads to the end; a promise when others get a turn. */
function readAll(reader: Reader): Promise<void> | undefined {
  const { collector } = reader;
  const { scan } = collector;
  const first = peekSpaced(scan);
  if (first === -1) throw faultHere(scan, "a JSON object, an array of them, or one on each line");
  const isArray = first === 0x5b;
  if (isArray) {
    scan.at++;
    if (peekSpaced(scan) === 0x5d) {
      scan.at++;
      requireEnd(scan);
      return undefined;
    }
  }
  return readMore(reader, isArray);
}

function readMore(reader: Reader, isArray: boolean): Promise<void> | undefined {
  const { collector } = reader;
  const { scan } = collector;
  for (let isMore = true; isMore; ) {
    const start = scan.at;
    const mark = markOf(collector);
    try {
      readOne(reader, mark);
      isMore = isArray ? passComma(reader) : passSeparator(reader);
    } catch (error) {
      if (!(error instanceof JsonFault) || !reader.options.canSetApart) throw error;
      rewindTo(collector, mark);
      isMore = setApartBroken(reader, error, { start, isArray });
    }
    reader.index++;
    if (isMore && isSliceOver(collector)) {
      return yieldTurn().then(() => readMore(reader, isArray));
    }
  }
  return undefined;
}

/** Reads a record; one that the schema refuses is set apart where that is wanted. */
function readOne(reader: Reader, mark: CollectorMark): void {
  const { collector, options, canBeWrapped } = reader;
  const { scan } = collector;
  peekSpaced(scan);
  const start = scan.at;
  let isTooFaulty: ConnectError | undefined;
  try {
    const id = canBeWrapped && isWrapped(collector) ? readWrapped(collector) : takePlain(collector);
    noteId(reader, mark, id);
  } catch (error) {
    if (!options.canSetApart || reasonOf(error) !== "RECORD_INVALID") throw error;
    // Either it has too many faults to list, and was passed, or it is too large to be read to its end.
    if (scan.faults.length < FAULTS_MAX) throw asTooLarge(error);
    isTooFaulty = error as ConnectError;
  }
  if (!options.canSetApart) return;
  const [fault] = scan.faults.slice(mark.faults);
  if (!fault && !isTooFaulty) return;
  const error = fault ? describeFault(fault, scan.faults.length - mark.faults) : undefined;
  rewindTo(collector, mark);
  const content = scan.bytes.subarray(start, scan.at);
  checkRefusedSize(content);
  const text = error ?? isTooFaulty?.rawMessage ?? "";
  reader.refused.push({ index: reader.index, content, reason: "RECORD_INVALID", error: text });
}

function takePlain(collector: RecordCollector): undefined {
  takeRecord(collector);
}

/** Notes the id of the record just read, when it has no faults. */
function noteId({ collector, options }: Reader, mark: CollectorMark, given?: string): void {
  const { scan, spans } = collector;
  const { idPath } = options;
  if (scan.faults.length > mark.faults || (!idPath && given === undefined)) return;
  const [start = 0, end = 0] = spans.slice(-2);
  const id = idPath ? findScalar(scan.bytes, { start, end }, idPath) : given;
  const fault = idFault(id);
  if (id !== undefined && !fault) {
    takeId(collector, id);
    return;
  }
  report(scan, fault ?? "");
  const noted = scan.faults.at(-1);
  if (noted) noted.path = `records[${countOf(collector) - 1}]`;
}

function idFault(id: string | undefined): string | undefined {
  if (id === undefined || id === "") return "has no id at the record_id_path of the source";
  if (Buffer.byteLength(id) <= ID_BYTES_MAX) return undefined;
  return `has an id longer than ${ID_BYTES_MAX} bytes at the record_id_path of the source`;
}

/** Behind a record of an array; false at its end. */
function passComma({ collector: { scan } }: Reader): boolean {
  const byte = peekSpaced(scan);
  if (byte !== 0x2c && byte !== 0x5d) throw faultHere(scan, 'a "," or "]"');
  scan.at++;
  if (byte === 0x5d) requireEnd(scan);
  return byte === 0x2c;
}

/** Between records without an array: a comma or a line break. False at the end of the body. */
function passSeparator({ collector: { scan } }: Reader): boolean {
  const end = scan.at;
  const byte = peekSpaced(scan);
  if (byte === -1) return false;
  if (byte === 0x2c) {
    scan.at++;
    if (peekSpaced(scan) === -1) throw faultHere(scan, "a record behind the comma");
  } else requireLineBreak(scan.bytes, end, scan.at);
  return true;
}

/** Sets apart text that is no JSON: the line, or all the rest. False when nothing is left to read. */
function setApartBroken(
  reader: Reader,
  fault: JsonFault,
  { start, isArray }: { readonly start: number; readonly isArray: boolean },
): boolean {
  const { scan } = reader.collector;
  const end = isArray ? scan.end : endOfBroken(scan.bytes, start, scan.end);
  const content = scan.bytes.subarray(start, end);
  checkRefusedSize(content);
  const { rawMessage: error } = failJson(fault, scan.bytes);
  reader.refused.push({ index: reader.index, content, reason: "INVALID_JSON", error });
  scan.at = end;
  return peekSpaced(scan) !== -1;
}

/** The first line break that a `{` follows, else the end: broken text may have lines itself. */
function endOfBroken(bytes: Uint8Array, from: number, end: number): number {
  for (let at = bytes.indexOf(0x0a, from); at >= 0 && at < end; at = bytes.indexOf(0x0a, at + 1)) {
    if (peekSpaced({ bytes, at, end }) === 0x7b) return at;
  }
  return end;
}

function describeFault(fault: { path: string; description: string }, count: number): string {
  const path = fault.path.replace(/^records\[\d+\]\.?/, "");
  const more = count > 1 ? ` (and ${count - 1} more)` : "";
  return `${path === "" ? "the record" : path} ${fault.description}${more}`;
}

function checkRefusedSize(content: Uint8Array): void {
  if (content.length <= REFUSED_BYTES_MAX) return;
  throw fail(
    "TOO_LARGE",
    `a refused record is above ${REFUSED_BYTES_MAX} bytes, too large to keep`,
  );
}

function asTooLarge(error: unknown): ConnectError {
  const text = error instanceof ConnectError ? error.rawMessage : String(error);
  return fail("TOO_LARGE", text, { cause: error });
}
