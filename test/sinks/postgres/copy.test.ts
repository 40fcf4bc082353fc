import { create } from "@bufbuild/protobuf";
import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PostgresSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { createEgressGuard } from "../../../src/sinks/egress.ts";
import { createConnection } from "../../../src/sinks/postgres/connection.ts";
import type { CopyPart, CopyWork } from "../../../src/sinks/postgres/copy-query.ts";
import type { DatabaseAddress } from "../../../src/sinks/postgres/database-url.ts";
import { parseDatabaseUrl } from "../../../src/sinks/postgres/database-url.ts";
import { postgresDriver } from "../../../src/sinks/postgres/driver.ts";
import { toSinkFault } from "../../../src/sinks/postgres/fault.ts";
import { startTestPostgres, type TestPostgres } from "../../support/postgres.ts";
import { waitFor } from "../../support/wait-for.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";

let server: TestPostgres;
let sql: postgres.Sql;
const guard = createEgressGuard({ isLoopbackAllowed: true, egressAllowList: [] });

beforeAll(async () => {
  server = await startTestPostgres({ durable: true });
  await connect();
});
afterAll(async () => {
  await sql.end();
  await server.close();
});
beforeEach(async () => {
  await sql`DROP TABLE IF EXISTS t`;
  await sql`CREATE TABLE t (id bigint PRIMARY KEY)`;
});

async function connect() {
  sql = postgres(server.url, { max: 2, onnotice: () => undefined });
  await waitFor(() =>
    sql`SELECT 1`.then(
      () => true,
      () => false,
    ),
  );
}

const open = () => createConnection(parseDatabaseUrl(server.url) as DatabaseAddress, guard);

const terminate = async () => {
  await sql`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE application_name = 'tributary'`;
};

const killServer = async () => {
  await sql.end({ timeout: 0 });
  await server.kill("SIGKILL");
};

const reasonOf = (error: unknown) => toSinkFault(error).reason;

/** 40,000 rows in 40 chunks, and what happens before one of them. */
function workOf(moment: "before" | "middle" | "after", event: () => Promise<void>): CopyWork {
  const part: CopyPart = {
    before: [],
    copy: "COPY t (id) FROM STDIN",
    async feed(send) {
      for (let chunk = 0; chunk < 40; chunk += 1) {
        if (chunk === (moment === "before" ? 0 : 20) && moment !== "after") await event();
        const ids = Array.from({ length: 1000 }, (_, i) => `${chunk * 1000 + i}\n`);
        send(Buffer.from(ids.join("")));
      }
      if (moment === "after") await event();
    },
    after: [],
  };
  return { parts: [part] };
}

describe.each(["before", "middle", "after"] as const)("N04: %s the chunks of a COPY", (moment) => {
  test("the backend is terminated: it fails at once, and nothing is stored", async () => {
    const connection = open();
    await connection.run("SELECT 1", [], attempt());
    const signal = attempt(20_000);
    const copying = connection.copy(workOf(moment, terminate), signal).catch(reasonOf);
    expect(await copying).toBe("CONNECTION_FAILED");
    expect(signal.aborted).toBe(false);
    expect(connection.isBroken).toBe(true);
    expect(await sql`SELECT FROM t`).toHaveLength(0);
    await connection.close();
  });

  test("Postgres is killed: all is stored when it says so, else nothing", async () => {
    const connection = open();
    await connection.run("SELECT 1", [], attempt());
    const signal = attempt(20_000);
    // A backend outlives its killed postmaster by a moment, in which it may finish.
    const outcome = await connection
      .copy(workOf(moment, killServer), signal)
      .then(() => "stored", reasonOf);
    expect(["stored", "CONNECTION_FAILED"]).toContain(outcome);
    await connection.close();
    await waitFor(() =>
      server.restart().then(
        () => true,
        () => false,
      ),
    );
    await connect();
    expect(await sql`SELECT FROM t`).toHaveLength(outcome === "stored" ? 40_000 : 0);
  }, 30_000);
});

test("N04: the backend is terminated while it commits: the write is repeated, its rows stand once", async () => {
  // The commit waits in a deferred trigger until this test has ended the backend.
  await sql`CREATE SEQUENCE commits`;
  await sql`CREATE FUNCTION wait_once() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF (SELECT NOT is_called FROM commits) THEN PERFORM pg_sleep(30); END IF;
      RETURN NULL;
    END $$`;
  await sql`CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.id = 7) EXECUTE FUNCTION wait_once()`;
  const schema = schemaOf([{ name: "id", type: T.LONG }]);
  const config = create(PostgresSinkSchema, { databaseUrl: server.url, table: "t" });
  const sink = await postgresDriver.open(config, environment({ schema }));
  try {
    await sink.resume?.(0, 1);
    const writing = sink.write(requestOf(rowsOf([{ id: 6 }, { id: 7 }])), attempt());
    const isCommitting = async () =>
      (await sql`SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'`).length > 0;
    await waitFor(isCommitting);
    await sql`SELECT nextval('commits')`;
    await terminate();
    expect(await writing).toMatchObject({ kind: "rows" });
    expect(await sql`SELECT FROM t`).toHaveLength(2);
  } finally {
    await sink.close();
  }
});

test("a feed that fails gives its own error and stores nothing", async () => {
  const connection = open();
  const work = workOf("middle", () => Promise.reject(new Error("cannot encode")));
  await expect(connection.copy(work, attempt())).rejects.toThrow("cannot encode");
  expect(await sql`SELECT FROM t`).toHaveLength(0);
  await connection.close();
});

test("the end of the time ends a COPY whose feed is stuck, also in the server", async () => {
  const connection = open();
  await connection.run("SELECT 1", [], attempt());
  const work = workOf("middle", () => new Promise(() => undefined));
  await expect(connection.copy(work, attempt(300))).rejects.toMatchObject({ reason: "TIMEOUT" });
  const gone = async () =>
    (await sql`SELECT FROM pg_stat_activity WHERE application_name = 'tributary'`).length === 0;
  await waitFor(gone);
  await connection.close(new Error("over"));
});
