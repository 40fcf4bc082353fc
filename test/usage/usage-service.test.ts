import { createClient, createRouterTransport } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { LedgerEntry_Kind } from "#gen/tributary/management/v1/usage_pb.js";
import { UsageService } from "#gen/tributary/management/v1/usage_service_pb.js";
import { makeUid } from "../../src/core/uid.ts";
import { watchQuotas } from "../../src/usage/quota-watch.ts";
import { createUsageService } from "../../src/usage/usage-service.ts";
import { createUsageStore } from "../../src/usage/usage-store.ts";
import { useTestDatabase } from "../support/database.ts";
import { quietLogger } from "../support/quiet-logger.ts";
import { failureOf } from "../support/reason-of-call.ts";

const PROJECT = "projects/p";
const STREAM = "projects/p/streams/s";
const DAY = "2026-01-31";
const NOW_MS = Date.parse("2026-02-03T12:00:00Z");

async function useUsage(prices?: Record<string, number>) {
  const { database } = await useTestDatabase();
  const { sql } = database;
  await sql`INSERT INTO tributary.projects VALUES ('p', ${PROJECT}, '', '', 1, now(), now())`;
  await sql`INSERT INTO tributary.usage_logs VALUES ('l', 'p', ${PROJECT}, 's', ${STREAM})`;
  if (prices) {
    await sql`INSERT INTO tributary.settings 
      VALUES ('prices', ${JSON.stringify(prices)}::text::jsonb)`;
  }
  const store = createUsageStore(database);
  let mark = 0;
  const count = (records: number, unauthenticatedRecords: number, day = DAY) =>
    store.commit({
      ...{ shard: 0, identity: "i", from: mark, to: ++mark },
      counts: [
        {
          ...{ logUid: "l", day, records, bytes: records * 100 },
          ...{ unauthenticatedRecords, unauthenticatedBytes: unauthenticatedRecords * 100 },
        },
      ],
    });
  const service = createUsageService({ database, now: () => NOW_MS, makeUid });
  const transport = createRouterTransport((router) => router.service(UsageService, service));
  return { database, count, usage: createClient(UsageService, transport) };
}

test("S12: usage by day and stream, and no charge while the prices are 0", async () => {
  const { usage, count } = await useUsage();
  await count(10, 4);
  await count(5, 0);
  await count(1, 1, "2026-02-01");
  const answer = await usage.getUsage({ name: PROJECT });
  expect(answer.days.map(({ day, totals }) => [day, totals?.records, totals?.bytes])).toEqual([
    [DAY, 15n, 1500n],
    ["2026-02-01", 1n, 100n],
  ]);
  expect(answer.totals).toMatchObject({
    records: 16n,
    unauthenticatedRecords: 5n,
    chargeMicros: 0n,
  });
  expect(answer.streams.map((each) => each.stream)).toEqual([STREAM]);
  const one = await usage.getUsage({ name: STREAM, firstDay: DAY, lastDay: DAY });
  expect(one.totals).toMatchObject({ records: 15n, unauthenticatedRecords: 4n });
  expect((await usage.getBalance({ name: PROJECT })).balance?.balanceMicros).toBe(0n);
});

test("S12: credits, charges and refunds are lines of an account that add up to its balance", async () => {
  const { usage, count } = await useUsage({
    million_records_micros: 3_000_000,
    gibibyte_micros: 0,
  });
  await usage.addCredit({ project: PROJECT, amountMicros: 1_000n, note: "welcome" });
  await count(100, 40);
  const { entry } = await usage.refund({
    stream: STREAM,
    day: DAY,
    records: 10n,
    note: "bad batch",
  });
  expect(entry).toMatchObject({ kind: LedgerEntry_Kind.REFUND, amountMicros: 30n, records: 10n });
  const { balance } = await usage.getBalance({ name: PROJECT });
  expect(balance).toMatchObject({
    creditedMicros: 1_000n,
    refundedMicros: 30n,
    balanceMicros: 730n,
  });
  expect(balance?.used).toMatchObject({ chargeMicros: 300n });
  const lines = (await usage.listLedger({ project: PROJECT })).entries;
  expect(lines.map((e) => [LedgerEntry_Kind[e.kind], e.amountMicros])).toEqual(
    expect.arrayContaining([
      ["REFUND", 30n],
      ["CREDIT", 1_000n],
      ["CHARGE", -300n],
    ]),
  );
  expect(lines.reduce((sum, e) => sum + e.amountMicros, 0n)).toBe(balance?.balanceMicros);
  let pageToken = "";
  const seen: string[] = [];
  do {
    const page = await usage.listLedger({ project: PROJECT, pageSize: 1, pageToken });
    seen.push(...page.entries.map((e) => e.uid));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(seen).toEqual(lines.map((e) => e.uid));
});

test("S12: what was taken without authentication is never refunded, and nothing is refunded twice", async () => {
  const { usage, count } = await useUsage({ million_records_micros: 1_000_000 });
  await count(100, 40);
  const ask = (records: bigint, requestId = "") =>
    usage.refund({ stream: STREAM, day: DAY, records, requestId });
  const refused = await failureOf(ask(61n));
  expect(refused).toMatchObject({ reason: "REFUND_UNAUTHENTICATED" });
  await expect(ask(61n)).rejects.toThrow(
    "40 of the 100 records of 2026-01-31 were taken without authentication, and those are never refunded: refund at most 60 records",
  );
  expect((await failureOf(ask(101n))).reason).toBe("REFUND_TOO_LARGE");
  const results = await Promise.allSettled([ask(30n), ask(30n), ask(30n)]);
  expect(results.filter((r) => r.status === "fulfilled")).toHaveLength(2);
  expect((await failureOf(ask(1n))).reason).toBe("REFUND_UNAUTHENTICATED");
  expect((await usage.getBalance({ name: STREAM })).balance).toMatchObject({ refundedMicros: 60n });
});

test("a credit or refund with the same request id is made once", async () => {
  const { usage, count } = await useUsage({ million_records_micros: 1_000_000 });
  await count(10, 0);
  const credit = () => usage.addCredit({ project: PROJECT, amountMicros: 5n, requestId: "c1" });
  const [first, second] = [await credit(), await credit()];
  expect(second.entry).toEqual(first.entry);
  const refund = () => usage.refund({ stream: STREAM, day: DAY, records: 10n, requestId: "r1" });
  expect((await refund()).entry).toEqual((await refund()).entry);
  expect((await usage.getBalance({ name: PROJECT })).balance).toMatchObject({
    ...{ creditedMicros: 5n, refundedMicros: 10n },
  });
});

test("the ledger takes new rows only, and outlives its project", async () => {
  const { database, usage, count } = await useUsage();
  await usage.addCredit({ project: PROJECT, amountMicros: 5n });
  await count(3, 0);
  for (const change of [
    "UPDATE tributary.ledger_entries SET note = 'x'",
    "DELETE FROM tributary.ledger_entries",
  ]) {
    await expect(database.sql.unsafe(change)).rejects.toThrow("takes new rows only");
  }
  await database.sql`DELETE FROM tributary.projects`;
  expect((await usage.getBalance({ name: PROJECT })).balance).toMatchObject({ creditedMicros: 5n });
  expect((await usage.getUsage({ name: STREAM })).totals?.records).toBe(3n);
});

test("wrong days and names of nothing are refused", async () => {
  const { usage } = await useUsage();
  for (const range of [
    { firstDay: "2026-02-30" },
    { firstDay: "2026-02-03", lastDay: "2026-02-01" },
    { firstDay: "2020-01-01", lastDay: "2026-01-01" },
  ]) {
    expect((await failureOf(usage.getUsage({ name: PROJECT, ...range }))).reason).toBe(
      "INVALID_FIELDS",
    );
  }
  for (const name of ["projects/none", "projects/p/streams/none", `${STREAM}/sinks/k`]) {
    expect((await failureOf(usage.getUsage({ name }))).reason).toBe("RESOURCE_NOT_FOUND");
  }
});

test("S12: files of archives count as stored until they are gone, and as archived on the day of their writing", async () => {
  const { database, usage } = await useUsage();
  const { sql } = database;
  await sql`INSERT INTO tributary.archives (log_uid, project_uid, stream_uid, folder, archive, next_sequence)
    VALUES ('l', 'p', 's', 'p/s/', '', 1)`;
  const add = (from: number, bytes: number) => sql`
    INSERT INTO tributary.archive_files
    VALUES ('l', 'p', ${from}, ${from}, ${`f${from}`}, 1, ${bytes}, '', now(), now(), ${`${DAY}T23:00:00Z`})`;
  await add(1, 100);
  await add(2, 20);
  const watch = watchQuotas({ database, logger: quietLogger });
  await watch.refresh();
  expect(watch.storedBytes("p")).toBe(120);
  await sql`DELETE FROM tributary.archive_files WHERE from_sequence = 1`;
  await sql`INSERT INTO tributary.stored_bytes VALUES (0, 'p', 3)`;
  await watch.refresh();
  expect(watch.storedBytes("p")).toBe(23);
  watch.close();
  const { days, totals } = await usage.getUsage({ name: STREAM });
  expect(days.map((each) => [each.day, each.totals?.archivedBytes])).toEqual([[DAY, 120n]]);
  expect(totals).toMatchObject({ records: 0n, archivedBytes: 120n });
  expect((await usage.listLedger({ project: PROJECT })).entries).toEqual([]);
});
