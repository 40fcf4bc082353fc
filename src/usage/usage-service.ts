/** UsageService. */
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { LedgerEntry_Kind } from "#gen/tributary/management/v1/usage_pb.js";
import type {
  AddCreditRequest,
  GetUsageRequest,
  RefundRequest,
  UsageService,
} from "#gen/tributary/management/v1/usage_service_pb.js";
import { failFields, notFound, reasonOf } from "../core/errors.ts";
import { streamOf } from "../core/names.ts";
import { readPageRequest } from "../core/page-token.ts";
import { principalKey } from "../core/principal.ts";
import type { Database, Queries } from "../db/client.ts";
import {
  type Account,
  type DayRange,
  findAccount,
  putBalancePolicy,
  readBalance,
  readUsage,
} from "./account.ts";
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
    getUsage: (request) => {
      const range = rangeOf(request, now());
      return inAccount(database, request.name, (queries, account) =>
        readUsage(queries, account, range),
      );
    },
    getBalance: ({ name }) =>
      inAccount(database, name, async (queries, account) => ({
        balance: await readBalance(queries, account),
      })),
    listLedger: (request) => {
      const page = readPageRequest(`ledger of ${request.project}`, request);
      return inAccount(database, request.project, (queries, account) =>
        listEntries(queries, account, page),
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

/**
 * Works on an account in the scope of its project. One whose project is gone lies in no scope but the
 * installation's: only an operator's call gets this far with its name.
 */
async function inAccount<T>(
  database: Database,
  name: string,
  work: (queries: Queries, account: Account) => Promise<T>,
): Promise<T> {
  const find = async (queries: Queries) => work(queries, await findAccount(queries, name));
  try {
    return await database.inProject(name, find);
  } catch (error) {
    if (reasonOf(error) !== "RESOURCE_NOT_FOUND") throw error;
    return await database.acrossProjects(find);
  }
}

async function addCredit(
  { database, now, makeUid }: UsageServiceOptions,
  { project, amountMicros, note, requestId }: AddCreditRequest,
  context: HandlerContext,
) {
  if (streamOf(project)) throw notFound(project);
  return await inAccount(database, project, (queries, account) =>
    addEntry(queries, account, {
      uid: makeUid(),
      kind: LedgerEntry_Kind.CREDIT,
      amountMicros,
      day: undefined,
      records: 0n,
      note,
      principalId: callerId(context),
      requestId,
      createTimeMs: now(),
    }),
  );
}

async function refund(
  { database, now, makeUid }: UsageServiceOptions,
  { stream, day, records, note, requestId }: RefundRequest,
  context: HandlerContext,
) {
  dayNumber("day", day);
  if (!streamOf(stream)) throw notFound(stream);
  return await inAccount(database, stream, async (queries, account) => {
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
