import { afterAll, beforeAll, expect, test } from "vitest";
import { createAuditLog } from "../../src/audit/audit-log.ts";
import { eventFromRow, listEvents } from "../../src/audit/audit-store.ts";
import { openAuditUpkeep } from "../../src/audit/audit-upkeep.ts";
import { settleIntents } from "../../src/audit/intent-store.ts";
import { verifyChains } from "../../src/audit/verify-chain.ts";
import { makeUid } from "../../src/core/uid.ts";
import type { Database } from "../../src/db/client.ts";
import { openTestDatabase } from "../support/database.ts";
import { quietLogger } from "../support/quiet-logger.ts";
import { waitFor } from "../support/wait-for.ts";

const DAY = 24 * 60 * 60_000;

let database: Database;

beforeAll(async () => {
  ({ database } = await openTestDatabase());
  await database.sql`INSERT INTO tributary.projects VALUES
    ('ua', 'projects/a', '', '', 1, now(), now())`;
});
afterAll(() => database?.close());

const openAudit = (now: () => number = Date.now) =>
  createAuditLog({ database, logger: quietLogger, makeUid: () => makeUid(), now });

async function eventsOf(resource: string) {
  const page = { size: 500, after: undefined, list: "" };
  const rows = await database.acrossProjects((db) => listEvents(db, undefined, page));
  return rows.map(eventFromRow).filter((event) => event.resource === resource);
}

async function announcedOf(resource: string) {
  const rows = await database.sql<{ event: Buffer }[]>`SELECT event FROM tributary.audit_intents`;
  return rows.filter((row) => row.event.includes(resource)).length;
}

test("check 34: a change is announced before it is made, and its event takes the place of that", async () => {
  const audit = openAudit();
  const entry = { method: "a.B/Update", resource: "projects/a/streams/made" };
  const intent = await audit.begin(entry);
  expect(await announcedOf(entry.resource)).toBe(1);
  expect(await eventsOf(entry.resource)).toEqual([]);
  await audit.record({ ...entry, code: "ok" }, intent);
  expect(await announcedOf(entry.resource)).toBe(0);
  expect(await eventsOf(entry.resource)).toMatchObject([{ code: "ok", count: 1n }]);

  const refused = await audit.begin({ ...entry, resource: "projects/a/streams/refused" });
  await audit.dismiss(refused);
  expect(await announcedOf("projects/a/streams/refused")).toBe(0);
  await audit.close();
});

test("check 34: what a server that died had announced becomes an event of unknown outcome, once", async () => {
  const audit = openAudit(() => Date.now() - 10 * 60_000);
  const resource = "projects/a/streams/lost";
  const request = { name: resource };
  await audit.begin({ method: "a.B/Delete", resource, request, address: "192.0.2.7" });
  await audit.close();
  // A call of now, which may still be answered, is left alone.
  const running = openAudit();
  const young = await running.begin({ method: "a.B/Delete", resource: "projects/a/streams/young" });
  const upkeeps = Array.from({ length: 3 }, () =>
    openAuditUpkeep({ database, logger: quietLogger, retentionMs: 0 }),
  );
  const [event, ...more] = await waitFor(async () => {
    const found = await eventsOf(resource);
    return found.length > 0 ? found : undefined;
  });
  for (const upkeep of upkeeps) await upkeep.close();
  expect(more).toEqual([]);
  expect(event).toMatchObject({
    ...{ code: "unknown", reason: "OUTCOME_UNKNOWN", address: "192.0.2.7", request },
  });
  expect(await eventsOf(resource)).toHaveLength(1);
  expect(await announcedOf("projects/a/streams/young")).toBe(1);
  await running.dismiss(young);
  expect((await verifyChains(database)).filter(({ fault }) => fault)).toEqual([]);
  await running.close();
});

test("check 34: no change is begun that cannot be announced", async () => {
  const { database: gone } = await openTestDatabase();
  const audit = createAuditLog({ ...{ database: gone, logger: quietLogger, makeUid } });
  await gone.close();
  await expect(audit.begin({ method: "a.B/Update", resource: "" })).rejects.toThrow(
    "nothing was changed",
  );
  await audit.close();
});

async function writeAged(chain: string, ages: readonly number[]) {
  for (const age of ages) {
    const audit = openAudit(() => Date.now() - age * DAY);
    await audit.record({ method: "a.B/Update", resource: chain, code: "ok" });
    await audit.close();
  }
}

async function trimTo(days: number) {
  await openAuditUpkeep({ database, logger: quietLogger, retentionMs: days * DAY }).close();
}

test("B19: events are kept for so many days; a trimmed chain still verifies, and goes on", async () => {
  await database.sql`INSERT INTO tributary.projects VALUES
    ('ut', 'projects/t', '', '', 1, now(), now())`;
  await writeAged("projects/t", [500, 450, 420, 100, 50, 40]);
  await trimTo(400);
  const reportOf = async () =>
    (await verifyChains(database)).find((report) => report.chain === "ut")!;
  expect(await reportOf()).toMatchObject({ events: 4, fault: undefined });
  await trimTo(400);
  expect(await reportOf()).toMatchObject({ events: 4, fault: undefined });
  await writeAged("projects/t", [0]);
  await trimTo(45);
  // 40 days, the first trim, the new one, and that of the second trim.
  expect(await reportOf()).toMatchObject({ events: 4, fault: undefined });
});

test("check 34: removing events by hand is told from a trim, and the young cannot be removed", async () => {
  await database.sql`INSERT INTO tributary.projects VALUES
    ('uh', 'projects/h', '', '', 1, now(), now())`;
  await writeAged("projects/h", [90, 80, 70, 2, 1]);
  const call = (through: number) =>
    database.acrossProjects((db) =>
      db.execute(`SELECT tributary.trim_audit_events('uh', ${through})`),
    );
  await expect(call(4)).rejects.toMatchObject({ cause: { code: "P0001" } });
  await call(2);
  const { fault } = (await verifyChains(database)).find((report) => report.chain === "uh")!;
  expect(fault).toBe("event 1 is missing");
});

test("settling takes part of many at a time and tells how many", async () => {
  const audit = openAudit(() => Date.now() - DAY);
  for (let n = 0; n < 120; n++) await audit.begin({ method: "a.B/Make", resource: "" });
  const before = new Date(Date.now() - DAY / 2);
  expect(await settleIntents(database, before)).toBe(100);
  expect(await settleIntents(database, before)).toBe(20);
  expect(await settleIntents(database, before)).toBe(0);
  await audit.close();
});
