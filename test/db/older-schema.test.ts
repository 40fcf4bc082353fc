import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ensureOperator } from "../../src/catalog/demo.ts";
import { openDatabase } from "../../src/db/client.ts";
import { migrate } from "../../src/db/migrate.ts";
import { useTestCatalog } from "../support/catalog.ts";
import { quietLogger } from "../support/quiet-logger.ts";
import { createTestDatabase } from "../support/shared-servers.ts";

const NAME = "projects/a/streams/s";
const FOLDER = join(import.meta.dirname, "../../src/db/migrations");

/** A database as versions before this one left it, with something of what they kept. */
async function createOlder(): Promise<string> {
  const url = await createTestDatabase();
  const database = openDatabase({ url, logger: quietLogger, max: 2 });
  const older = (await readdir(FOLDER)).filter((name) => name < "0200");
  await migrate(database, quietLogger, { only: new Set(older) });
  await database.sql.begin(async (sql) => {
    await sql`SELECT tributary.enter('installation', '')`;
    await sql`INSERT INTO tributary.projects VALUES ('p', 'projects/a', 'A', '', 1, now(), now())`;
    await sql`INSERT INTO tributary.streams (uid, project_uid, name, display_name, description,
      schema, schema_version, key_fields, throughput, partitions, generation, retention_age_ms,
      retention_bytes, version, create_time, update_time)
      VALUES ('s', 'p', ${NAME}, 'S', '', '', 3, '{}', 1, 1, 2, 604800000, 1073741824, 5, now(), now())`;
    await sql`INSERT INTO tributary.branches (uid, stream_uid, name, branch_id, shard, create_time,
      project_uid) VALUES ('l', 's', ${`${NAME}/branches/main`}, 'main', 1, now(), 'p')`;
    await sql`INSERT INTO tributary.archives (log_uid, project_uid, stream_uid, folder, archive,
      next_sequence) VALUES ('l', 'p', 's', 'a/s/', '', 3)`;
    for (const n of [1, 2]) {
      await sql`INSERT INTO tributary.archive_files VALUES ('l', 'p', ${n}, ${n}, ${`f${n}`}, 1, 50,
        '', now(), now(), now())`;
    }
  });
  await database.close();
  return url;
}

test("B21: a database of an older version is brought to the present one with all that it holds", async () => {
  const { catalog, snapshot, database, as } = await useTestCatalog({ url: await createOlder() });
  expect(snapshot.stream(NAME)).toMatchObject({ uid: "s", generation: 2, schemaVersion: 3 });
  expect(snapshot.streamByLog("l")?.name).toBe(NAME);
  const [held] = await database.sql`SELECT project_uid, bytes FROM tributary.archived_bytes`;
  expect(held).toMatchObject({ project_uid: "p", bytes: "100" });
  // What is new works on what is old.
  await ensureOperator(catalog, { clientId: "ops", clientSecret: "secret" });
  const { streams } = as("ops");
  await streams.deleteStream({ name: NAME });
  expect(snapshot.stream(NAME)).toBeUndefined();
  expect((await streams.undeleteStream({ name: NAME })).stream).toMatchObject({ uid: "s" });
  expect(snapshot.stream(NAME)).toMatchObject({ uid: "s", generation: 2 });
  // A node that starts later finds nothing to do.
  await migrate(database, quietLogger);
});

test("B21: a version that does not know a migration of the database does not start on it", async () => {
  const { database } = await useTestCatalog();
  const older = (await readdir(FOLDER)).filter((name) => name < "0200");
  await expect(migrate(database, quietLogger, { only: new Set(older) })).rejects.toThrow(
    /which this version does not know/,
  );
});
