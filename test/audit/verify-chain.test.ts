import { expect, test } from "vitest";
import { createAuditLog } from "../../src/audit/audit-log.ts";
import { eventFromRow, listEvents } from "../../src/audit/audit-store.ts";
import { verifyChains } from "../../src/audit/verify-chain.ts";
import { makeUid } from "../../src/core/uid.ts";
import type { Database } from "../../src/db/client.ts";
import { useTestDatabase } from "../support/database.ts";
import { quietLogger } from "../support/quiet-logger.ts";

const entry = (resource: string, method = "a.B/Update") => ({
  method,
  resource,
  code: "ok",
  after: { name: resource },
});

async function useAuditLog() {
  const { database } = await useTestDatabase();
  await database.sql`INSERT INTO tributary.projects VALUES
    ('ua', 'projects/a', '', '', 1, now(), now()), ('ub', 'projects/b', '', '', 1, now(), now())`;
  const audit = createAuditLog({ database, logger: quietLogger, makeUid: () => makeUid() });
  return { database, audit };
}

/** As somebody who may do anything to the database. */
async function tamper(database: Database, statement: string): Promise<void> {
  await database.sql.begin(async (sql) => {
    await sql`SET LOCAL session_replication_role = replica`;
    await sql.unsafe(statement);
  });
}

test("check 34: events are chained by project, in the order of their numbers, also written at once", async () => {
  const { database, audit } = await useAuditLog();
  await Promise.all(
    Array.from({ length: 12 }, (_, n) =>
      audit.record(entry(["projects/a/streams/s", "projects/b", ""][n % 3]!)),
    ),
  );
  const reports = await verifyChains(database);
  expect(reports.map(({ chain, events, fault }) => ({ chain, events, fault }))).toEqual([
    { chain: "", events: 4, fault: undefined },
    { chain: "ua", events: 4, fault: undefined },
    { chain: "ub", events: 4, fault: undefined },
  ]);
  await audit.close();
});

test.each([
  [
    "UPDATE tributary.audit_events SET event = event || '\\x7a0161' WHERE number = 2",
    /event 2 \(.+\) was changed/,
  ],
  ["UPDATE tributary.audit_events SET actor_id = 'x' WHERE number = 3", /columns of event 3/],
  [
    "UPDATE tributary.audit_events SET hash = sha256('') WHERE number = 2",
    /event 2 \(.+\) was changed/,
  ],
  ["DELETE FROM tributary.audit_events WHERE number = 2", /event 2 is missing/],
  [
    "UPDATE tributary.audit_events SET event = event || '\\x7a0161', hash = sha256(previous_hash || convert_to(chain || '/' || number || '/', 'UTF8') || event || '\\x7a0161') WHERE number = 2",
    /event 3 \(.+\) does not follow/,
  ],
])("check 34: verifying names what a superuser did: %s", async (statement, words) => {
  const { database, audit } = await useAuditLog();
  for (let n = 0; n < 4; n++) await audit.record(entry("projects/a"));
  await tamper(database, statement);
  expect((await verifyChains(database))[0]?.fault).toMatch(words);
  await audit.close();
});

test("check 34: the role of the server may add events and neither change nor remove one", async () => {
  const { database, audit } = await useAuditLog();
  await audit.record(entry("projects/a"));
  for (const statement of [
    "UPDATE tributary.audit_events SET code = 'x'",
    "DELETE FROM tributary.audit_events",
    "TRUNCATE tributary.audit_events",
  ]) {
    for (const run of [
      () => database.acrossProjects((db) => db.execute(statement)),
      () => database.inProject("projects/a", (db) => db.execute(statement)),
    ]) {
      await expect(run()).rejects.toMatchObject({ cause: { code: "42501" } });
    }
    await expect(database.sql.unsafe(statement)).rejects.toThrow("takes new events only");
  }
  await audit.close();
});

test("a project sees its own events; they outlive it for the installation", async () => {
  const { database, audit } = await useAuditLog();
  await audit.record(entry("projects/a/streams/s"));
  await audit.record(entry("projects/b"));
  await database.sql`DELETE FROM tributary.projects WHERE uid = 'ua'`;
  await audit.record(entry("projects/a", "a.B/Delete"));
  const page = { size: 10, after: undefined, list: "" };
  const mine = await database.inProject("projects/b", (db) => listEvents(db, undefined, page));
  expect(mine.map((row) => row.resource)).toEqual(["projects/b"]);
  const all = await database.acrossProjects((db) => listEvents(db, undefined, page));
  expect(all.map((row) => [row.chain, eventFromRow(row).resource]).sort()).toEqual([
    ["", "projects/a"],
    ["ua", "projects/a/streams/s"],
    ["ub", "projects/b"],
  ]);
  await audit.close();
});

test("refusals in any number take 30 rows a minute and origin, also from a thousand of them; the rest is counted", async () => {
  const { database } = await useTestDatabase();
  let now = 1e12;
  const audit = createAuditLog({
    ...{ database, logger: quietLogger, makeUid: () => makeUid() },
    now: () => now,
  });
  const refusal = { method: "a.B/Get", resource: "", code: "unauthenticated" };
  for (let n = 0; n < 4_000; n++) audit.noteRefusal({ ...refusal, address: "192.0.2.1" });
  audit.noteRefusal({ ...refusal, address: "192.0.2.2" });
  now += 60_000;
  for (let n = 0; n < 1_000; n++) {
    audit.noteRefusal({ ...refusal, address: `198.51.${n >> 8}.${n & 255}` });
  }
  await audit.close();
  const rows = await database.sql<{ method: string }[]>`SELECT method FROM tributary.audit_events`;
  expect(rows).toHaveLength(30 + 1 + 1 + 200 + 30 + 1);
  const several = await database.acrossProjects((db) =>
    listEvents(db, undefined, { size: 500, after: undefined, list: "" }),
  );
  const counts = several.map((row) => Number(eventFromRow(row).count));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(5_001);
});

test("a change that cannot be written is answered as such and logged, never lost in silence", async () => {
  const { database } = await useTestDatabase();
  const logged: unknown[] = [];
  const logger = {
    ...quietLogger,
    error: (_: string, fields?: Record<string, unknown>) => void logged.push(fields?.resource),
  };
  const audit = createAuditLog({ database, logger, makeUid: () => makeUid() });
  await database.close();
  await expect(audit.record(entry("projects/a"))).rejects.toThrow("could not be written");
  expect(logged).toEqual(["projects/a"]);
  await audit.close();
});
