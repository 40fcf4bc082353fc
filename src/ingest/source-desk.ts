/** What the way in does for the owners of sources: trials, and records that leave the quarantine. */
import { ConnectError } from "@connectrpc/connect";
import { type QuarantinedRecord, Source_Mode } from "#gen/tributary/management/v1/source_pb.js";
import { addressSet } from "../core/address-range.ts";
import type { SourceDefinition } from "../core/definitions.ts";
import { parsedPath } from "../core/json-path.ts";
import type { Ingest } from "./ingest.ts";
import { itemsIn } from "./polled-items.ts";
import type { Quarantine } from "./quarantine.ts";
import { checkRecords, type RecordSet } from "./record-set.ts";
import { keptHeaders, readRequest } from "./request-record.ts";
import { readSourceBody } from "./source-body.ts";
import { checkContentType } from "./source-request.ts";

/** A request that is only tried. */
export interface TrialRequest {
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly address: string;
}

/** A record that would be stored, or refused when `error` is not empty. */
export interface TrialOutcome {
  readonly content: Uint8Array;
  readonly producerId: string;
  readonly error: string;
}

/** A record that was refused again. */
export interface Refusal {
  readonly id: string;
  readonly error: string;
}

/** The desk. */
export interface SourceDesk extends Pick<Quarantine, "ids" | "read" | "remove" | "removeAll"> {
  tryRequest(
    definition: SourceDefinition,
    request: TrialRequest,
  ): Promise<{ readonly error: string; readonly outcomes: readonly TrialOutcome[] }>;
  resend(
    definition: SourceDefinition,
    ids: readonly string[],
    json: Uint8Array | undefined,
  ): Promise<{ readonly resent: number; readonly refusals: readonly Refusal[] }>;
}

/** Makes the desk. */
export function createSourceDesk(options: {
  readonly ingest: Ingest;
  readonly quarantine: Quarantine;
  readonly now?: () => number;
}): SourceDesk {
  const { ingest, quarantine, now = Date.now } = options;
  return {
    ...quarantine,
    async tryRequest(definition, request) {
      try {
        return await tryRequest(ingest, { definition, request, timeMs: now() });
      } catch (error) {
        if (!(error instanceof ConnectError)) throw error;
        return { error: error.rawMessage, outcomes: [] };
      }
    },
    async resend(definition, ids, json) {
      const refusals: Refusal[] = [];
      let resent = 0;
      // One by one: each is taken or refused by itself, in the order asked for.
      for (const id of ids) {
        const [record] = await quarantine.read(definition, [id]);
        if (!record) {
          refusals.push({ id, error: "is not in quarantine" });
          continue;
        }
        try {
          await pushAgain(ingest, definition, { record, content: json ?? record.content });
          await quarantine.remove(definition, [id]);
          resent++;
        } catch (error) {
          if (!(error instanceof ConnectError)) throw error;
          refusals.push({ id, error: error.rawMessage });
        }
      }
      return { resent, refusals };
    },
  };
}

async function pushAgain(
  ingest: Ingest,
  definition: SourceDefinition,
  { record, content }: { readonly record: QuarantinedRecord; readonly content: Uint8Array },
): Promise<void> {
  const { source, streamName, uid, name } = definition;
  const stream = ingest.streamOf(streamName);
  const idPath = parsedPath(source.recordIdPath);
  const { records } = await readSourceBody(content, { stream, idPath, canSetApart: false });
  if (!records) return;
  await ingest.push({
    stream: streamName,
    branch: source.branch,
    records,
    // Asked twice at once, it is stored once.
    idempotencyKey: `quarantine:${record.id}`,
    returnRecordIds: false,
    caller: {
      id: `source:${uid}`,
      authentication: "quarantine",
      address: record.address,
      traceContext: "",
      source: name.split("/").at(-1) ?? "",
    },
  });
}

interface Trial {
  readonly definition: SourceDefinition;
  readonly request: TrialRequest;
  readonly timeMs: number;
}

async function tryRequest(ingest: Ingest, trial: Trial) {
  const { definition, request } = trial;
  const { source, streamName } = definition;
  const { address, contentType, body } = request;
  if (address !== "" && source.allowedAddresses.length > 0) {
    const isAllowed = addressSet(source.allowedAddresses).has(address);
    if (!isAllowed) return { error: `the address ${address} may not send here`, outcomes: [] };
  }
  const stream = ingest.streamOf(streamName);
  if (source.mode === Source_Mode.REQUEST) {
    const records = await checkRecords(tryWhole(trial), stream);
    return { error: "", outcomes: outcomesOf(records) };
  }
  checkContentType(contentType === "" ? undefined : contentType);
  // What a polled address answers holds its items at a path.
  const items = source.poll ? await itemsIn(body, source.poll.itemsPath) : body;
  if (!items) return { error: "", outcomes: [] };
  const idPath = parsedPath(source.recordIdPath);
  // All faults at once are of more use than the first, whatever the source does with them.
  const { records, refused } = await readSourceBody(items, { stream, idPath, canSetApart: true });
  const faults = refused.map(({ content, error }) => ({ content, producerId: "", error }));
  const [first] = refused;
  const isRefused = first !== undefined && !source.quarantine;
  return {
    error: isRefused ? `records[${first.index}] ${first.error}` : "",
    outcomes: [...(records ? outcomesOf(records) : []), ...faults],
  };
}

function tryWhole({ definition, request, timeMs }: Trial): RecordSet {
  const { body, contentType, address } = request;
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const facts = {
    method: "POST",
    path: `/in/${definition.publicId}`,
    query: "",
    address,
    timeMs,
    contentType,
    headers: keptHeaders(headers, []),
  };
  return readRequest(facts, body, parsedPath(definition.source.recordIdPath));
}

function outcomesOf({ bytes, spans, ids }: RecordSet): TrialOutcome[] {
  return Array.from({ length: spans.length / 2 }, (_, i) => ({
    content: bytes.subarray(spans[i * 2]!, spans[i * 2 + 1]!),
    producerId: ids[i] ?? "",
    error: "",
  }));
}
