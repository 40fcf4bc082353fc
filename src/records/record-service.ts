/**
 * RecordService: lists and follows stored records. It reads what is stored and never subscribes to the
 * subjects, where messages of refused batches would be seen too.
 */
import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type {
  ListRecordsRequest,
  RecordService,
  TailRecordsRequest,
} from "#gen/tributary/records/v1/record_service_pb.js";
import {
  ListRecordsRequest_View,
  ListRecordsResponseSchema,
} from "#gen/tributary/records/v1/record_service_pb.js";
import type { Definitions, LogDefinition, StreamDefinition } from "../core/definitions.ts";
import { notFound } from "../core/errors.ts";
import type { LogReader } from "../core/log.ts";
import type { OpenCalls } from "../core/open-calls.ts";
import { type Principal, principalKey } from "../core/principal.ts";
import type { ResponseEncoder } from "./live-frame.ts";
import { createLiveLogs, type LiveCounts, type LiveLogs, type LogFollower } from "./live-logs.ts";
import { type PlacedRecord, readRecords } from "./placed-record.ts";
import { createRecordMatcher } from "./record-matcher.ts";
import { openPageToken, sealPageToken } from "./record-page.ts";
import { createTail } from "./record-tail.ts";
import { listResolved } from "./resolved-page.ts";
import { createTailPrinter } from "./tail-printer.ts";

/** What the service is made of. */
export interface RecordServiceOptions {
  readonly definitions: Definitions;
  readonly reader: LogReader;
  readonly follower: LogFollower;
  /** Fails when the caller's token or application has come to its end: asked while a tail lives. */
  readonly recheck: (principal: Principal) => void;
  /** Counts what is followed; left out in tests. */
  readonly liveCounts?: LiveCounts;
  /** Counts tails while they are open. */
  readonly openCalls: OpenCalls;
  /** A message of a tail as JSON text, as the generated handler would print it. */
  readonly encodeJson: ResponseEncoder;
  readonly now: () => number;
}

/** Most messages and bytes that one page looks at: a sparse filter gets short pages with a token. */
const SCAN_MESSAGES_MAX = 2_000;
const SCAN_BYTES_MAX = 16 << 20;
const PAGE_SIZE_DEFAULT = 100;

/** Makes the handlers of RecordService. */
export function createRecordService(
  options: RecordServiceOptions,
): ServiceImpl<typeof RecordService> {
  const live = createLiveLogs(options);
  return {
    listRecords: (request, context) => listRecords(options, request, context),
    tailRecords: (request, context) => {
      const projectUid = options.definitions.stream(request.stream)?.projectUid;
      return options.openCalls.during(
        projectUid,
        tailRecords({ ...options, live }, request, context),
      );
    },
  };
}

async function listRecords(
  { definitions, reader }: RecordServiceOptions,
  request: ListRecordsRequest,
  context: HandlerContext,
) {
  const { stream, log } = findLog(definitions, request.stream, request.branch);
  const matcher = createRecordMatcher(stream, request);
  if (request.view === ListRecordsRequest_View.RESOLVED) {
    return await listResolved(reader, { stream, log, matcher, request, signal: context.signal });
  }
  const wanted = request.pageSize || PAGE_SIZE_DEFAULT;
  let at = await firstPlace(reader, log, request);
  const records: PlacedRecord[] = [];
  let budget = { messages: SCAN_MESSAGES_MAX, bytes: SCAN_BYTES_MAX };
  while (records.length < wanted && budget.messages > 0 && budget.bytes > 0) {
    const messages = await reader.read(log, {
      fromSequence: at.sequence,
      maxMessages: Math.min(budget.messages, 200),
      maxBytes: Math.min(budget.bytes, 4 << 20),
      signal: context.signal,
    });
    if (messages.length === 0) return create(ListRecordsResponseSchema, page(records, ""));
    for (const message of messages) {
      budget = { messages: budget.messages - 1, bytes: budget.bytes - message.data.length };
      for (const record of readRecords(message)) {
        if (message.sequence === at.sequence && record.index < at.index) continue;
        if (!matcher(record)) continue;
        if (records.length === wanted) {
          const next = sealPageToken(request, { sequence: message.sequence, index: record.index });
          return create(ListRecordsResponseSchema, page(records, next));
        }
        records.push(record);
      }
      at = { sequence: message.sequence + 1, index: 0 };
    }
  }
  return create(ListRecordsResponseSchema, page(records, sealPageToken(request, at)));
}

function page(records: readonly PlacedRecord[], nextPageToken: string) {
  return { records: records.map((record) => record.toMessage()), nextPageToken };
}

async function firstPlace(reader: LogReader, log: LogDefinition, request: ListRecordsRequest) {
  if (request.pageToken !== "") return openPageToken(request);
  if (request.start.case === "fromTime") {
    const sequence = await reader.sequenceAt(log, timestampMs(request.start.value));
    return { sequence, index: 0 };
  }
  return { sequence: Math.max(1, Number(request.start.value ?? 1n)), index: 0 };
}

async function* tailRecords(
  options: RecordServiceOptions & { readonly live: LiveLogs },
  request: TailRecordsRequest,
  context: HandlerContext,
) {
  const { definitions, reader, live, recheck, now } = options;
  const { stream, log } = findLog(definitions, request.stream, request.branch);
  const wanted = createRecordMatcher(stream, request);
  const matcher = request.key === "" && request.filter === "" ? undefined : wanted;
  const fromSequence =
    Number(request.fromSequence) || (await reader.info(log)).shardLastSequence + 1;
  const ended = new AbortController();
  const signal = AbortSignal.any([context.signal, ended.signal]);
  const principal = context.values.get(principalKey);
  const check = () => {
    if (principal) recheck(principal);
    if (!definitions.stream(request.stream)) throw notFound(request.stream);
  };
  const printer = createTailPrinter(options, context);
  for await (const step of createTail({
    steps: (offer) => live.follow(log, { fromSequence, offer, signal }),
    give: (frame) => passes(check) && printer.give(frame),
    matcher,
    rateMax: request.rateMax || 1_000,
    now,
    stop: () => ended.abort(),
  })) {
    check();
    yield* printer.print(step);
  }
}

/** Whether a check throws nothing; who throws it for its caller to see is asked again. */
function passes(check: () => void): boolean {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}

function findLog(definitions: Definitions, name: string, branch: string) {
  const stream: StreamDefinition | undefined = definitions.stream(name);
  if (!stream) throw notFound(name);
  const log = stream.logs.get(branch || "main");
  if (!log) throw notFound(`${name}/branches/${branch}`);
  return { stream, log };
}
