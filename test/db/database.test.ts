import { execFile } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { eq, getTableColumns, getTableName, is, sql } from "drizzle-orm";
import { PgTable } from "drizzle-orm/pg-core";
import { expect, test } from "vitest";
import { reasonOf } from "../../src/core/errors.ts";
import { openDatabase } from "../../src/db/client.ts";
import { uniqueViolationOf } from "../../src/db/database-errors.ts";
import { migrate } from "../../src/db/migrate.ts";
import * as schema from "../../src/db/schema.ts";
import { useTestDatabase } from "../support/database.ts";
import { startTestPostgres } from "../support/postgres.ts";
import { quietLogger } from "../support/quiet-logger.ts";
import { createTestDatabase } from "../support/shared-servers.ts";
import { waitFor } from "../support/wait-for.ts";

const project = (name: string) => ({
  uid: `u${name}`,
  name: `projects/${name}`,
  displayName: name,
  description: "",
  version: 1,
  createTime: new Date(),
  updateTime: new Date(),
});

test("migrating from several nodes at once applies each migration once", async () => {
  const url = await createTestDatabase();
  const nodes = [1, 2, 3].map(() => openDatabase({ url, logger: quietLogger, max: 2 }));
  await Promise.all(nodes.map((node) => migrate(node, quietLogger)));
  await migrate(nodes[0]!, quietLogger);
  const rows = await nodes[0]!.sql`SELECT name, count(*)::int FROM tributary.migrations GROUP BY 1`;
  expect(rows.length).toBeGreaterThan(0);
  expect(rows.every((row) => row.count === 1)).toBe(true);
  await Promise.all(nodes.map((node) => node.close()));
});

test("refuses a database of a newer version, and a migration that was changed", async () => {
  const { database } = await useTestDatabase();
  await database.sql`INSERT INTO tributary.migrations (name, sha256) VALUES ('9999_x.sql', '')`;
  await expect(migrate(database, quietLogger)).rejects.toThrow("9999_x.sql");
  await database.sql`DELETE FROM tributary.migrations WHERE name = '9999_x.sql'`;
  await database.sql`UPDATE tributary.migrations SET sha256 = 'x' WHERE name LIKE '0001%'`;
  await expect(migrate(database, quietLogger)).rejects.toThrow("was changed");
});

test("the drizzle tables and the migrations agree on every column", async () => {
  const { database } = await useTestDatabase();
  const rows = await database.sql<{ column: string }[]>`
    SELECT table_name || '.' || column_name || CASE is_nullable WHEN 'YES' THEN '?' ELSE '' END
      AS column FROM information_schema.columns
    WHERE table_schema = 'tributary' AND table_name <> 'migrations'`;
  const snake = (key: string) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const declared = Object.values(schema)
    .filter((value) => is(value, PgTable))
    .flatMap((table) =>
      Object.entries(getTableColumns(table)).map(
        ([key, column]) => `${getTableName(table)}.${snake(key)}${column.notNull ? "" : "?"}`,
      ),
    );
  expect(declared.sort()).toEqual(rows.map((row) => row.column).sort());
});

test("a unique violation becomes ALREADY_EXISTS and names its constraint", async () => {
  const { database } = await useTestDatabase();
  await database.acrossProjects((db) => db.insert(schema.projects).values(project("a")));
  const error = await database
    .acrossProjects((db) => db.insert(schema.projects).values({ ...project("a"), uid: "other" }))
    .catch((caught: unknown) => caught);
  expect(reasonOf(error)).toBe("ALREADY_EXISTS");
  expect(uniqueViolationOf((error as Error).cause)).toBe("projects_name_key");
});

test("a transaction that throws leaves nothing", async () => {
  const { database } = await useTestDatabase();
  const work = database.acrossProjects(async (tx) => {
    await tx.insert(schema.projects).values(project("b"));
    throw new Error("stop");
  });
  await expect(work).rejects.toThrow("stop");
  const rows = await database.acrossProjects((db) =>
    db.select().from(schema.projects).where(eq(schema.projects.name, "projects/b")),
  );
  expect(rows).toEqual([]);
});

test("a statement that comes again and again stays prepared, others never, and none is answered by another's plan", async () => {
  const { database } = await useTestDatabase();
  const ask = (text: ReturnType<typeof sql>) =>
    database.acrossProjects(async (queries) => (await queries.execute<{ n: number }>(text))[0]?.n);
  for (let n = 0; n < 300; n++) {
    expect(await ask(sql`SELECT ${n}::int + 1 AS n`)).toBe(n + 1);
    expect(await ask(sql`SELECT ${n}::int + ${sql.raw(String(n))} AS n`)).toBe(2 * n);
  }
  const kept = await database.acrossProjects((queries) =>
    queries.execute<{ statement: string }>(sql`SELECT statement FROM pg_prepared_statements`),
  );
  const texts = kept.map(({ statement }) => statement).filter((text) => text.includes("::int +"));
  expect(new Set(texts)).toEqual(new Set(["SELECT $1::int + 1 AS n"]));
});

test("each change is noted in the order of the commits", async () => {
  const { database } = await useTestDatabase();
  await database.acrossProjects((db) => db.insert(schema.projects).values(project("c")));
  await database.acrossProjects((db) =>
    db.update(schema.projects).set({ description: "unseen" }).where(eq(schema.projects.uid, "uc")),
  );
  await database.acrossProjects((db) =>
    db.update(schema.projects).set({ version: 2 }).where(eq(schema.projects.uid, "uc")),
  );
  const rows = await database.acrossProjects((db) => db.select().from(schema.changes));
  expect(rows.map(({ kind, uid }) => ({ kind, uid }))).toEqual([
    { kind: "project", uid: "uc" },
    { kind: "project", uid: "uc" },
  ]);
});

test("a Postgres that is gone gives DATABASE_UNAVAILABLE with a hint, and works once it is back", async () => {
  const server = await startTestPostgres({ durable: true });
  const url = await server.createDatabase();
  const database = openDatabase({ url, logger: quietLogger, max: 2, waitMs: 3_000 });
  try {
    await migrate(database, quietLogger);
    const read = () => database.acrossProjects((db) => db.select().from(schema.projects));
    await read();
    await server.kill("SIGKILL");
    // Orphans of the killed server answer, and hold its memory, for a moment.
    await waitFor(() =>
      read().then(
        () => false,
        () => true,
      ),
    );
    for (let i = 0; i < 3; i++) {
      const error = await read().catch((caught: unknown) => caught);
      expect(reasonOf(error)).toBe("DATABASE_UNAVAILABLE");
    }
    await waitFor(() =>
      server.restart().then(
        () => true,
        () => false,
      ),
    );
    await expect.poll(() => read().catch(() => "down"), { timeout: 10_000 }).toEqual([]);
  } finally {
    await database.close();
    await server.close();
  }
});

test("a server that accepts and never answers gives DATABASE_UNAVAILABLE in time", async () => {
  const hole = createServer().listen(0, "127.0.0.1");
  await once(hole, "listening");
  const { port } = hole.address() as AddressInfo;
  const url = `postgres://nobody@127.0.0.1:${port}/none`;
  const database = openDatabase({ url, logger: quietLogger, max: 1, waitMs: 300 });
  const start = performance.now();
  const error = await database
    .acrossProjects((db) => db.execute("SELECT 1"))
    .catch((e: unknown) => e);
  expect(reasonOf(error)).toBe("DATABASE_UNAVAILABLE");
  expect(performance.now() - start).toBeLessThan(3_000);
  await database.close();
  hole.close();
});

test("a connection lost within a transaction fails that call alone, whatever it still asks", async () => {
  const { database } = await useTestDatabase();
  const answers: unknown[] = [];
  const call = database.acrossProjects(async (db) => {
    const [backend] = await db.execute<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    const killer = database.openClient(1);
    await killer`SELECT pg_terminate_backend(${backend!.pid})`;
    await killer.end();
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      answers.push(await db.execute("SELECT 1").catch((error: unknown) => error));
    }
    throw new Error("stop");
  });
  await expect(call).rejects.toThrow("stop");
  expect(answers.every((answer) => answer instanceof Error)).toBe(true);
  await database.acrossProjects((db) => db.execute("SELECT 1"));
});

test("N03: a connection cut at any byte of its start fails what waits for it, and ends no process", async () => {
  const url = await createTestDatabase();
  const program = join(import.meta.dirname, "../support/faults/cut-connections.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [program, url]);
  expect(stdout).toBe("6 connections were cut, 1 was not\n");
});
