import { fork } from "node:child_process";
import { once } from "node:events";
import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Field_Type, SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { ensureOperator } from "../../src/catalog/demo.ts";
import { openSnapshot } from "../../src/catalog/snapshot.ts";
import { openDatabase } from "../../src/db/client.ts";
import { useTestCatalog } from "../support/catalog.ts";
import { startTestPostgres } from "../support/postgres.ts";
import { quietLogger } from "../support/quiet-logger.ts";
import { waitFor } from "../support/wait-for.ts";

const schema = { fields: [{ name: "id", type: Field_Type.STRING }] };
const name = "projects/a/streams/s";

async function useStream(url?: string) {
  const opened = await useTestCatalog(url === undefined ? {} : { url });
  await ensureOperator(opened.catalog, { clientId: "ops", clientSecret: "secret" });
  const ops = opened.as("ops");
  await ops.projects.createProject({ projectId: "a", project: {} });
  await ops.streams.createStream({ parent: "projects/a", streamId: "s", stream: { schema } });
  return { ...opened, ops };
}

test("follows what another process changes, at once by its notification", async () => {
  const { snapshot, url } = await useStream();
  const before = snapshot.stream(name);
  const code = `
    import postgres from "postgres";
    const sql = postgres(process.argv[1], { max: 1 });
    await sql\`UPDATE tributary.streams SET retention_bytes = 77, version = version + 1\`;
    process.send("done"); await sql.end();`;
  const child = fork("-", [], {
    execArgv: ["--input-type=module", "-e", code, url],
    cwd: import.meta.dirname,
  });
  child.on("error", () => undefined);
  await once(child, "message");
  const start = performance.now();
  await waitFor(() => snapshot.stream(name)?.retentionBytes === 77);
  expect(performance.now() - start).toBeLessThan(2_000);
  expect(before?.retentionBytes).toBe(2 ** 30);
});

test("replaces what changed, and keeps all else the same object", async () => {
  const { snapshot, ops } = await useStream();
  await ops.streams.createStream({ parent: "projects/a", streamId: "t", stream: { schema } });
  const [s, t] = [snapshot.stream(name), snapshot.stream("projects/a/streams/t")];
  const heard: number[] = [];
  const end = snapshot.onChange(() => heard.push(1));
  await ops.streams.updateStream({
    stream: { name, description: "x", retention: { bytes: 2n ** 21n } },
  });
  expect(snapshot.stream(name)).not.toBe(s);
  expect(snapshot.stream("projects/a/streams/t")).toBe(t);
  expect(heard.length).toBeGreaterThan(0);
  end();
  const count = heard.length;
  await ops.streams.deleteStream({ name });
  expect(snapshot.stream(name)).toBeUndefined();
  expect(snapshot.streamByLog(s!.logs.get("main")!.uid)).toBeUndefined();
  expect(heard).toHaveLength(count);
});

test("finds within the check what no notification told of", async () => {
  const { database, catalog } = await useStream();
  const deaf = await openSnapshot({
    database: {
      ...database,
      openClient: () => {
        throw new Error("no LISTEN here");
      },
    },
    masterKey: catalog.masterKey,
    logger: quietLogger,
    checkMs: 100,
  });
  await database.sql`UPDATE tributary.streams SET retention_bytes = 78, version = version + 1`;
  await waitFor(() => deaf.stream(name)?.retentionBytes === 78, { timeoutMs: 2_000 });
  await deaf.close();
});

test("reads everything when the changes it missed are no longer kept, or are many", async () => {
  const { database, snapshot } = await useStream();
  const s = snapshot.stream(name)!;
  await database.sql.begin(async (sql) => {
    await sql`UPDATE tributary.streams SET retention_bytes = 79, version = version + 1`;
    await sql`DELETE FROM tributary.changes`;
    await sql`SELECT tributary.write_change('project', 'x')`;
  });
  await snapshot.refresh();
  expect(snapshot.stream(name)?.retentionBytes).toBe(79);
  await database.sql`
    INSERT INTO tributary.streams SELECT 'u' || n, ${s.projectUid}, ${`${name}-`} || n, '', '', schema,
      1, '{}', 1, 1, 1, 60000, 1, 1, now(), now() FROM tributary.streams, generate_series(1, 3000) n`;
  await snapshot.refresh();
  expect([...snapshot.streams()]).toHaveLength(3_001);
  expect(snapshot.stream(`${name}-3000`)?.projectUid).toBe(s.projectUid);
});

test("serves the old content while Postgres is dead, and follows again when it is back", async () => {
  const server = await startTestPostgres({ durable: true });
  const { snapshot, ops, database } = await useStream(await server.createDatabase());
  try {
    const s = snapshot.stream(name);
    await server.kill("SIGKILL");
    // Orphans of the killed server answer, and hold its memory, for a moment.
    await waitFor(() =>
      snapshot.refresh().then(
        () => false,
        () => true,
      ),
    );
    await expect(snapshot.refresh()).rejects.toThrow("the database of definitions");
    const stale = snapshot.freshAtMs();
    await expect(ops.streams.getStream({ name })).rejects.toThrow();
    expect(snapshot.stream(name)).toBe(s);
    expect(snapshot.freshAtMs()).toBe(stale);
    await waitFor(() =>
      server.restart().then(
        () => true,
        () => false,
      ),
    );
    await waitFor(() => snapshot.freshAtMs() > stale, { timeoutMs: 8_000 });
    expect(snapshot.stream(name)).toBe(s);
    // Notifications come again too: this is sooner than the next check. The first may be missed while
    // the new LISTEN is on its way.
    const quick = async (bytes: number) => {
      const start = performance.now();
      await database.sql`UPDATE tributary.streams SET retention_bytes = ${bytes}, version = version + 1`;
      await waitFor(() => snapshot.stream(name)?.retentionBytes === bytes);
      return performance.now() - start < 200;
    };
    let bytes = 100;
    await waitFor(() => quick(bytes++));
  } finally {
    await database.close();
    await server.close();
  }
});

test("10,000 streams load in seconds, and one change costs no reload", async () => {
  const { database, catalog, url, snapshot: other } = await useStream();
  const projectUid = other.stream(name)!.projectUid;
  const wide = create(SchemaSchema, {
    fields: Array.from({ length: 10 }, (_, i) => ({ name: `field_${i}`, type: Field_Type.DOUBLE })),
  });
  const bytes = Buffer.from(toBinary(SchemaSchema, wide));
  await database.sql.begin(async (sql) => {
    await sql`ALTER TABLE tributary.streams DISABLE TRIGGER note_new`;
    await sql`ALTER TABLE tributary.branches DISABLE TRIGGER note_change`;
    await sql`INSERT INTO tributary.streams SELECT 'u' || n, ${projectUid}, 'projects/a/streams/x-' || n,
      'x', '', ${bytes}, 1, '{field_0}', 1, 1, 1, 60000, 1, 1, now(), now()
      FROM generate_series(1, 10000) n`;
    await sql`INSERT INTO tributary.branches
      (uid, stream_uid, name, branch_id, shard, create_time, project_uid) SELECT 'l' || n, 'u' || n,
      'projects/a/streams/x-' || n || '/branches/main', 'main', n % 8, now(), ${projectUid}
      FROM generate_series(1, 10000) n`;
    await sql`ALTER TABLE tributary.streams ENABLE TRIGGER note_new`;
    await sql`ALTER TABLE tributary.branches ENABLE TRIGGER note_change`;
  });
  const mine = openDatabase({ url, logger: quietLogger, max: 2 });
  const memory = process.memoryUsage().heapUsed;
  const start = performance.now();
  const { masterKey } = catalog;
  const snapshot = await openSnapshot({ database: mine, masterKey, logger: quietLogger });
  const loadMs = performance.now() - start;
  expect([...snapshot.streams()]).toHaveLength(10_001);
  const heapMiB = (process.memoryUsage().heapUsed - memory) / 2 ** 20;
  await database.sql`UPDATE tributary.streams SET version = 2, retention_bytes = 5 WHERE uid = 'u77'`;
  const changeStart = performance.now();
  await snapshot.refresh();
  const changeMs = performance.now() - changeStart;
  expect(snapshot.stream("projects/a/streams/x-77")?.retentionBytes).toBe(5);
  process.stdout.write(
    `10,000 streams: load ${loadMs.toFixed()} ms, heap ${heapMiB.toFixed()} MiB before collection, ` +
      `one change ${changeMs.toFixed(1)} ms\n`,
  );
  expect(loadMs).toBeLessThan(10_000);
  await snapshot.close();
  await mine.close();
});
