/** Pages of the resolved view (ListRecordsRequest.View.RESOLVED). */
import { setImmediate as nextTurn } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import {
  type ListRecordsRequest,
  ListRecordsResponseSchema,
} from "#gen/tributary/records/v1/record_service_pb.js";
import type { LogDefinition, StreamDefinition } from "../core/definitions.ts";
import { fail, failFields } from "../core/errors.ts";
import type { LogMessage, LogReader } from "../core/log.ts";
import { type PlacedRecord, readRecords } from "./placed-record.ts";
import type { RecordMatcher } from "./record-matcher.ts";
import { openPageToken, sealPageToken } from "./record-page.ts";
import { createRowResolver, type RowPlace } from "./resolved-rows.ts";

/** Which page of which log. */
export interface ResolvedRequest {
  readonly stream: StreamDefinition;
  readonly log: LogDefinition;
  readonly matcher: RecordMatcher;
  readonly request: ListRecordsRequest;
  readonly signal: AbortSignal;
}

const LOG_BYTES_MAX = 256 << 20;
const READ = { maxMessages: 200, maxBytes: 4 << 20 };
const PAGE_SIZE_DEFAULT = 100;
/** Rows that one page looks at, where a filter leaves most of them out. */
const LOOKED_MAX = 20_000;

/** A page. Fails with INVALID_FIELDS, PAGE_TOKEN_INVALID, TOO_LARGE or LOG_UNAVAILABLE. */
export async function listResolved(reader: LogReader, input: ResolvedRequest) {
  const { request, log, matcher } = input;
  const capture = checkRequest(input);
  const start =
    request.pageToken === ""
      ? { sequence: 0, index: 0, until: (await reader.info(log)).lastSequence }
      : openPageToken(request);
  const until = start.until ?? 0;
  const resolver = createRowResolver(input.stream, capture);
  let bytes = 0;
  for await (const message of messagesUpTo(reader, input, until)) {
    bytes += message.data.length;
    if (bytes > LOG_BYTES_MAX) throw tooMuchLog(input.stream.name);
    for (const record of readRecords(message)) resolver.add(record);
  }
  const isBehind = (row: RowPlace) =>
    row.sequence > start.sequence || (row.sequence === start.sequence && row.index >= start.index);
  const rows = resolver.rows().filter(isBehind);
  const wanted = request.pageSize || PAGE_SIZE_DEFAULT;
  const records: PlacedRecord[] = [];
  let looked = 0;
  for await (const record of readRows(reader, input, rows.slice(0, LOOKED_MAX))) {
    looked++;
    if (record && matcher(record)) records.push(record);
    if (records.length === wanted) break;
  }
  const next = rows[looked];
  return create(ListRecordsResponseSchema, {
    records: records.map((record) => record.toMessage()),
    nextPageToken: next ? sealPageToken(request, { ...next, until }) : "",
  });
}

function checkRequest({ stream, request }: ResolvedRequest) {
  const capture = stream.schema.changeDataCapture;
  if (!capture) {
    const description = `RESOLVED needs change data capture, which the schema of ${stream.name} does not have`;
    throw failFields([{ field: "view", description }]);
  }
  if (request.start.case === undefined) return capture;
  const field = request.start.case === "fromTime" ? "from_time" : "from_sequence";
  const description = "is for the view LOG: rows are resolved from all changes";
  throw failFields([{ field, description }]);
}

function tooMuchLog(name: string) {
  const text = `the log of ${name} has more than ${LOG_BYTES_MAX >> 20} MiB, the most that the resolved view reads: deliver it to a table in the mode CHANGE_DATA_CAPTURE`;
  return fail("TOO_LARGE", text);
}

/** All messages of the log up to a sequence; others get a turn between any two. */
async function* messagesUpTo(
  reader: LogReader,
  { log, signal }: ResolvedRequest,
  until: number,
): AsyncGenerator<LogMessage> {
  for (let from = 1; from <= until; ) {
    const messages = await reader.read(log, { ...READ, fromSequence: from, signal });
    if (messages.length === 0) return;
    for (const message of messages) {
      if (message.sequence > until) return;
      yield message;
      await nextTurn(undefined, { signal });
    }
    from = messages.at(-1)!.sequence + 1;
  }
}

/** Records at ascending places; undefined for one that expired meanwhile. */
async function* readRows(
  reader: LogReader,
  { log, signal }: ResolvedRequest,
  rows: readonly RowPlace[],
): AsyncGenerator<PlacedRecord | undefined> {
  let messages: LogMessage[] = [];
  for (const { sequence, index } of rows) {
    if (sequence > (messages.at(-1)?.sequence ?? 0)) {
      messages = await reader.read(log, { ...READ, fromSequence: sequence, signal });
    }
    const message = messages.find((each) => each.sequence === sequence);
    yield message && [...readRecords(message)].find((each) => each.index === index);
  }
}
