import { connect } from "@nats-io/transport-node";
import postgres from "postgres";
import { expect, test } from "vitest";
import { startTestNats } from "./nats.ts";
import { startTestPostgres } from "./postgres.ts";
import { createTestDatabase, useSharedNats } from "./shared-servers.ts";

test("the shared Postgres gives each file a database of its own", async () => {
  const sql = postgres(await createTestDatabase(), { max: 1 });
  const [row] = await sql`select current_setting('server_version_num')::int as version`;
  expect(row?.version).toBeGreaterThanOrEqual(180_000);
  await sql.end();
});

test("the shared nats-server answers", async () => {
  const connection = await connect({ servers: useSharedNats().url });
  expect(connection.info?.jetstream).toBe(true);
  await connection.close();
});

test("servers of one's own come back on the same port with their data after kill -9", async () => {
  const [nats, database] = await Promise.all([startTestNats(), startTestPostgres()]);
  try {
    const url = await database.createDatabase("kept");
    const natsUrl = nats.url;
    await Promise.all([nats.kill("SIGKILL"), database.kill("SIGKILL")]);
    await Promise.all([nats.restart(), database.restart()]);
    const sql = postgres(url, { max: 1 });
    expect((await sql`select current_database() as name`)[0]?.name).toBe("kept");
    await sql.end();
    expect(nats.url).toBe(natsUrl);
    await (await connect({ servers: natsUrl })).close();
  } finally {
    await Promise.all([nats.close(), database.close()]);
  }
});
