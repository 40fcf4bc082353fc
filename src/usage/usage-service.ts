/** UsageService. */
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { LedgerEntry_Kind } from "#gen/tributary/management/v1/usage_pb.js";
import type {
  AddCreditRequest,
  GetUsageRequest,
  RefundRequest,
  UsageService,
} from "#gen/tributary/management/v1/usage_service_pb.js";
import { failFields, notFound } from "../core/errors.ts";
import { streamOf } from "../core/names.ts";
import { readPageRequest } from "../core/page-token.ts";
import { principalKey } from "../core/principal.ts";
import type { Database } from "../db/client.ts";
import { type DayRange, findAccount, putBalancePolicy, readBalance, readUsage } from "./account.ts";
import { addEntry, findEntry, listEntries, priceRefund } from "./ledger.ts";

/** What the service needs. */
export interface UsageServiceOptions {
  readonly database: Database;
  readonly now: () => number;
  readonly makeUid: () => string;
}

const DAY_MS = 86_400_000;
const DAYS_DEFAULT = 30;
const DAYS_MAX = 367;

/** The rpcs of UsageService. */
export function createUsageService(options: UsageServiceOptions): ServiceImpl<typeof UsageService> {
  const { database, now } = options;
  return {
    // Accounts outlive their projects, and the scope of a project that is gone is empty.
    getUsage: (request) => {
      const range = rangeOf(request, now());
      return database.acrossProjects(async (queries) =>
        readUsage(queries, await findAccount(queries, request.name), range),
      );
    },
    getBalance: ({ name }) =>
      database.acrossProjects(async (queries) => ({
        balance: await readBalance(queries, await findAccount(queries, name)),
      })),
    listLedger: (request) => {
      const page = readPageRequest(`ledger of ${request.project}`, request);
      return database.acrossProjects(async (queries) =>
        listEntries(queries, await findAccount(queries, request.project), page),
      );
    },
    addCredit: async (request, context) => ({ entry: await addCredit(options, request, context) }),
    refund: async (request, context) => ({ entry: await refund(options, request, context) }),
    updateBalancePolicy: ({ project, stopWhenUsed }) =>
      database.inProject(project, async (queries) => {
        const account = await findAccount(queries, project);
        await putBalancePolicy(queries, account.projectUid, stopWhenUsed);
        return { balance: await readBalance(queries, account) };
      }),
  };
}

async function addCredit(
  { database, now, makeUid }: UsageServiceOptions,
  { project, amountMicros, note, requestId }: AddCreditRequest,
  context: HandlerContext,
) {
  if (streamOf(project)) throw notFound(project);
  return await database.inProject(project, async (queries) => {
    const account = await findAccount(queries, project);
    return await addEntry(queries, account, {
      uid: makeUid(),
      kind: LedgerEntry_Kind.CREDIT,
      amountMicros,
      day: undefined,
      records: 0n,
      note,
      principalId: callerId(context),
      requestId,
      createTimeMs: now(),
    });
  });
}

async function refund(
  { database, now, makeUid }: UsageServiceOptions,
  { stream, day, records, note, requestId }: RefundRequest,
  context: HandlerContext,
) {
  dayNumber("day", day);
  if (!streamOf(stream)) throw notFound(stream);
  return await database.inProject(stream, async (queries) => {
    const account = await findAccount(queries, stream);
    const earlier = await findEntry(queries, account, requestId);
    if (earlier) return earlier;
    return await addEntry(queries, account, {
      uid: makeUid(),
      kind: LedgerEntry_Kind.REFUND,
      amountMicros: await priceRefund(queries, account, { day, records }),
      day,
      records,
      note,
      principalId: callerId(context),
      requestId,
      createTimeMs: now(),
    });
  });
}

function callerId(context: HandlerContext): string {
  return context.values.get(principalKey)?.id ?? "";
}

/** The days that a request asks for. Fails with INVALID_FIELDS. */
function rangeOf({ firstDay, lastDay }: GetUsageRequest, nowMs: number): DayRange {
  const last = lastDay === "" ? Math.floor(nowMs / DAY_MS) : dayNumber("last_day", lastDay);
  const first = firstDay === "" ? last - DAYS_DEFAULT + 1 : dayNumber("first_day", firstDay);
  if (first > last || last - first >= DAYS_MAX) {
    const description = `must be at most ${DAYS_MAX - 1} days before last_day, and not after it`;
    throw failFields([{ field: "first_day", description }]);
  }
  return { first: textOf(first), last: textOf(last) };
}

function textOf(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/** Days since 1970. Fails with INVALID_FIELDS for what is no day, such as 2026-02-30. */
function dayNumber(field: string, text: string): number {
  const timeMs = Date.parse(`${text}T00:00:00Z`);
  const day = Math.floor(timeMs / DAY_MS);
  if (Number.isFinite(timeMs) && textOf(day) === text) return day;
  throw failFields([{ field, description: `${text} is no day of the calendar` }]);
}
