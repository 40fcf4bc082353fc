/** The rpcs of DeliveryService about attempts. */
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type {
  DeliveryService,
  ListAttemptsRequest,
} from "#gen/tributary/management/v1/delivery_service_pb.js";
import { notFound } from "../core/errors.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import {
  type AttemptFilter,
  attemptFromRow,
  countDrops,
  findAttempt,
  listAttemptRows,
} from "./attempt-store.ts";
import { remakeRequest } from "./remake-request.ts";
import { findSink, type WatchParts } from "./watch-parts.ts";

type Methods = Pick<ServiceImpl<typeof DeliveryService>, "listAttempts" | "getAttempt">;

/** The methods, to be spread into the service. */
export function createAttemptMethods(parts: WatchParts): Methods {
  return {
    listAttempts: (request) => list(parts, request),
    getAttempt: async ({ name }) => ({ attempt: await get(parts, name) }),
  };
}

async function list(parts: WatchParts, request: ListAttemptsRequest) {
  const sink = findSink(parts, request.parent);
  const page = readPageRequest(`attempts of ${sink.uid}`, request);
  const filter: AttemptFilter = {
    states: request.states,
    start: request.startTime && timestampDate(request.startTime),
    end: request.endTime && timestampDate(request.endTime),
    requestId: request.requestId,
  };
  // A page goes on below the number of its last row, which the cursor carries as its uid.
  const below = page.after ? Number(page.after.uid) : Number.MAX_SAFE_INTEGER;
  const limit = page.size + 1;
  const { rows, dropped } = await parts.database.inProject(sink.name, async (queries) => ({
    rows: await listAttemptRows(queries, sink.uid, { filter, below, limit }),
    dropped: await countDrops(queries, sink.uid),
  }));
  const { rows: shown, nextPageToken } = makePage(page, rows, (row) => ({
    timeMs: row.createTime.getTime(),
    uid: String(row.number),
  }));
  const attempts = shown.map((row) => ({ ...attemptFromRow(sink.name, row), exchanges: [] }));
  return { attempts, nextPageToken, droppedCount: BigInt(dropped) };
}

async function get(parts: WatchParts, name: string) {
  const [, sinkName = "", number = ""] = /^(.*)\/attempts\/(\d{1,15})$/.exec(name) ?? [];
  if (number === "") throw notFound(name);
  const sink = findSink(parts, sinkName);
  const row = await parts.database.inProject(sinkName, (queries) =>
    findAttempt(queries, sink.uid, Number(number)),
  );
  if (!row) throw notFound(name);
  const attempt = attemptFromRow(sink.name, row);
  if (attempt.exchanges.length > 0) return attempt;
  const exchange = await remakeRequest(parts, sink, attempt);
  return exchange ? { ...attempt, exchanges: [exchange], remade: true } : attempt;
}
