/**
 * `/in/{public id}[/{secret}]`: the way in for senders that speak no RPC. It authenticates by the head
 * where it can, reads bodies as the push lane does, and answers
 * `{"accepted":"2","firstPlace":"17-0"}`, with `duplicate`, `quarantined` and `durabilityWarning` where
 * they apply.
 */
import { ConnectError } from "@connectrpc/connect";
import { Source_Mode } from "#gen/tributary/management/v1/source_pb.js";
import type { Call } from "../core/call.ts";
import type { Definitions, SourceDefinition } from "../core/definitions.ts";
import { fail } from "../core/errors.ts";
import type { Eventually } from "../core/eventually.ts";
import { parsedPath } from "../core/json-path.ts";
import { sourceNotFound } from "../sources/secret-url.ts";
import type { Sender, SourceHead } from "../sources/source.ts";
import type { GateFinder, SourceGate } from "../sources/source-gate.ts";
import type { Admission, AdmittedBytes } from "./admission.ts";
import type { Ingest } from "./ingest.ts";
import type { PushResult } from "./push-call.ts";
import type { LaneRequest, LaneResponse, PushLane, Refusal } from "./push-lane.ts";
import type { Quarantine } from "./quarantine.ts";
import { countOf, type RecordSet } from "./record-set.ts";
import type { Replays } from "./replays.ts";
import { contentLengthOf, inflateOf, readBody } from "./request-body.ts";
import { keptHeaders, readRequest } from "./request-record.ts";
import { type SourceResult, sendSourceResult } from "./source-answer.ts";
import { type RefusedRecord, readSourceBody, type SourceRecords } from "./source-body.ts";
import { answerBody, answerHead, type ChallengeAnswer } from "./source-challenge.ts";
import {
  checkContentType,
  isSourceRequest,
  type SourceTarget,
  targetOf,
} from "./source-request.ts";
import type { SourceStatsKeeper } from "./source-stats.ts";
import { waitForRoom } from "./wait-for-room.ts";

/** What the lane needs. */
export interface SourceLaneOptions {
  readonly definitions: Definitions;
  readonly ingest: Ingest;
  readonly admission: Admission;
  readonly gateOf: GateFinder;
  readonly quarantine: Quarantine;
  readonly replays: Replays;
  readonly stats: SourceStatsKeeper;
  /** Fails when definitions are too old to be believed. */
  readonly checkFresh: (nowMs: number) => void;
  readonly sendError: (
    response: LaneResponse,
    error: ConnectError,
    options: { readonly requestId: string },
  ) => void;
  /** Hears of every refusal. Left out: nobody does. */
  readonly onRefused?: ((refusal: Refusal) => void) | undefined;
  readonly sendText: (
    response: LaneResponse,
    answer: { status: number; text: string; headers: Readonly<Record<string, string>> },
  ) => void;
  readonly now?: () => number;
}

/** Bytes to ask for when a body does not say its length. */
const UNKNOWN_LENGTH = 64 * 1024;

/** Makes the lane. */
export function createSourceLane(options: SourceLaneOptions): PushLane {
  const lane: Lane = { ...options, now: options.now ?? Date.now };
  return (request, response, call) =>
    isSourceRequest(request) ? serve(lane, { request, response, call }) : undefined;
}

interface Lane extends SourceLaneOptions {
  readonly now: () => number;
}

interface Exchange {
  readonly request: LaneRequest;
  readonly response: LaneResponse;
  readonly call: Call;
}

/** A request that a source has let in so far. */
interface Visit extends Exchange {
  readonly definition: SourceDefinition;
  readonly gate: SourceGate;
  readonly head: SourceHead;
  readonly target: SourceTarget;
}

async function serve(lane: Lane, exchange: Exchange): Promise<void> {
  const { response, call } = exchange;
  let visit: Visit | undefined;
  try {
    visit = openVisit(lane, exchange);
    const challenge = answerHead(visit.definition.source, visit.head.method, {
      target: visit.target,
      origin: headerOf(exchange.request, "webhook-request-origin"),
    });
    if (challenge) sendChallenge(lane, response, challenge);
    else await take(lane, visit);
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    if (visit) lane.stats.refused(visit.definition);
    lane.onRefused?.({ call, error, resource: sourceOf(lane, exchange)?.name ?? "" });
    if (!response.destroyed) lane.sendError(response, error, { requestId: call.requestId });
  }
}

function sourceOf(lane: Lane, { request }: Exchange): SourceDefinition | undefined {
  const target = targetOf(request);
  return target && lane.definitions.sourceByPublicId(target.publicId);
}

/** Finds the source, and refuses what needs no credentials to be refused. */
function openVisit(lane: Lane, exchange: Exchange): Visit {
  const { request, call } = exchange;
  const target = targetOf(request);
  const nowMs = lane.now();
  const definition = target && lane.definitions.sourceByPublicId(target.publicId);
  const isOpen = definition && !definition.source.disabled;
  if (!isOpen || definition.source.mode === Source_Mode.POLL) throw sourceNotFound();
  lane.checkFresh(nowMs);
  const gate = lane.gateOf(definition);
  const head: SourceHead = {
    method: request.method ?? "",
    path: target.path,
    headers: request.headers,
    address: call.remoteAddress,
    secret: target.secret,
    nowMs,
  };
  gate.checkOrigin(head);
  return { ...exchange, definition, gate, head, target };
}

async function take(lane: Lane, visit: Visit): Promise<void> {
  const { request, response, definition, gate, head } = visit;
  checkMethod(gate, head.method);
  const found = gate.admit(head);
  const early = found instanceof Promise ? await found : found;
  const isRecords = definition.source.mode !== Source_Mode.REQUEST;
  if (isRecords) checkContentType(request.headers["content-type"]);
  const inflate = inflateOf(request.headers["content-encoding"]);
  if (!inflate) {
    const text = "this content encoding is not taken: use gzip, br, zstd or none";
    throw fail("CONTENT_TYPE_UNSUPPORTED", text);
  }
  let admitted: AdmittedBytes | undefined;
  try {
    const bytes = contentLengthOf(request) ?? UNKNOWN_LENGTH;
    const { projectUid } = definition;
    admitted =
      lane.admission.admitNow(projectUid, bytes) ??
      (await waitForRoom(lane.admission, response, { projectUid, bytes }));
    const arrived = readBody(request, { inflate, admitted });
    const body = arrived instanceof Promise ? await arrived : arrived;
    const sender = early ?? gate.verify?.(head, body) ?? {};
    const challenge = answerBody(definition.source, body);
    if (challenge) sendChallenge(lane, response, challenge);
    else {
      const result = await store(lane, { ...visit, sender }, body);
      if (!response.destroyed) sendSourceResult(response, result);
    }
  } finally {
    admitted?.release();
  }
}

function checkMethod({ methods }: SourceGate, method: string): void {
  if (methods.has(method)) return;
  const allow = [...methods].join(", ");
  throw fail("METHOD_NOT_ALLOWED", `use ${allow} here`, { headers: { Allow: allow } });
}

/** A repeat of a signed request is answered as the first time, and stores nothing. */
async function store(
  lane: Lane,
  visit: Visit & { readonly sender: Sender },
  body: Uint8Array,
): Promise<SourceResult> {
  const { definition, sender, head, gate } = visit;
  if (sender.replay && (await lane.replays.has(definition.uid, sender, head.nowMs))) {
    return { accepted: 0n, duplicate: true, quarantined: 0 };
  }
  const reading = readVisit(lane, visit, body);
  const { records, refused } = reading instanceof Promise ? await reading : reading;
  const kept = refused.length > 0 ? await setApart(lane, visit, refused) : [];
  const result = await pushRecords(lane, visit, { records, kept });
  if (sender.replay) await lane.replays.add(definition.uid, sender);
  const isStored = records !== undefined && !result?.duplicate;
  lane.stats.taken(definition, {
    records: isStored ? countOf(records) : 0,
    bytes: isStored ? bytesOf(records) : 0,
    quarantined: result?.duplicate ? 0 : refused.length,
    isAuthenticated: gate.authentication !== "none",
    keyUid: sender.keyUid,
  });
  return { accepted: 0n, ...result, quarantined: refused.length };
}

function bytesOf({ spans }: RecordSet): number {
  let bytes = 0;
  for (let i = 0; i < spans.length; i += 2) bytes += spans[i + 1]! - spans[i]!;
  return bytes;
}

function readVisit(
  lane: Lane,
  { definition, head, target, gate, request }: Visit,
  body: Uint8Array,
): Eventually<SourceRecords> {
  const { source, streamName } = definition;
  const idPath = parsedPath(source.recordIdPath);
  if (source.mode !== Source_Mode.REQUEST) {
    const stream = lane.ingest.streamOf(streamName);
    return readSourceBody(body, { stream, idPath, canSetApart: source.quarantine });
  }
  const path = target.secret === undefined ? target.path : `/in/${target.publicId}`;
  const headers = keptHeaders(request.headers, gate.credentialHeaders);
  const contentType = headerOf(request, "content-type") ?? "";
  const { method, address, nowMs: timeMs } = head;
  const facts = { method, path, query: target.query, address, timeMs, contentType, headers };
  return { records: readRequest(facts, body, idPath), refused: [] };
}

/** Keeps refused records, on disk before anything is answered. */
async function setApart(
  lane: Lane,
  { definition, head }: Visit,
  refused: readonly RefusedRecord[],
): Promise<readonly string[]> {
  const facts = { address: head.address, arrivalTimeMs: head.nowMs };
  return await lane.quarantine.put(definition, refused, facts);
}

interface ReadRecords {
  readonly records: RecordSet | undefined;
  /** Ids of records of the same request that are in quarantine. */
  readonly kept: readonly string[];
}

/** Pushes; when nothing was stored now, what the request put into quarantine is taken back. */
async function pushRecords(
  lane: Lane,
  visit: Visit & { readonly sender: Sender },
  { records, kept }: ReadRecords,
): Promise<PushResult | undefined> {
  if (!records) return undefined;
  const { definition, sender, request, gate, call } = visit;
  const takeBack = async () => {
    if (kept.length > 0) await lane.quarantine.remove(definition, kept).catch(() => undefined);
  };
  try {
    const result = await lane.ingest.push({
      stream: definition.streamName,
      branch: definition.source.branch,
      records,
      idempotencyKey: sender.replay?.id ?? headerOf(request, "idempotency-key") ?? "",
      returnRecordIds: false,
      caller: {
        id: `source:${definition.uid}`,
        authentication: gate.authentication,
        address: call.remoteAddress,
        traceContext: headerOf(request, "traceparent") ?? "",
        source: definition.name.split("/").at(-1) ?? "",
        ...keptOf(visit),
      },
    });
    if (result.duplicate) await takeBack();
    return result;
  } catch (error) {
    await takeBack();
    throw error;
  }
}

function keptOf({ definition: { source }, request, gate }: Visit) {
  if (!source.keepHeaders && source.mode !== Source_Mode.REQUEST) return {};
  return {
    headers: keptHeaders(request.headers, gate.credentialHeaders),
    contentType: headerOf(request, "content-type") ?? "",
  };
}

function headerOf(request: LaneRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" ? value : undefined;
}

function sendChallenge(lane: Lane, response: LaneResponse, answer: ChallengeAnswer): void {
  lane.sendText(response, { status: 200, ...answer });
}
