import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lastPostgresUrl } from "../../src/embedded/postgres-address.ts";
import { call, createStream, getSink } from "../support/api.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let stream: string;

beforeAll(async () => {
  server = await startServer();
  stream = await createStream(server, "sealed", { fields: { n: "LONG" } });
});
afterAll(() => server?.close());

/** Runs a command of the program beside the server; a failure comes back with its output. */
async function run(...words: string[]): Promise<{ code: number; stdout: string }> {
  const env = { ...process.env, TRIBUTARY_DATA_DIR: server.dataDir };
  const main = join(import.meta.dirname, "../../src/main.ts");
  return await promisify(execFile)(process.execPath, [main, ...words], { env }).then(
    ({ stdout }) => ({ code: 0, stdout }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      code: error.code,
      stdout: error.stdout + error.stderr,
    }),
  );
}

const fileKeyId = () => {
  const key = Buffer.from(readFileSync(join(server.dataDir, "master.key"), "utf8"), "base64");
  return createHash("sha256").update("master-key-id").update(key).digest("hex").slice(0, 8);
};

async function asOwner<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres((await lastPostgresUrl(server.dataDir)) ?? "", { max: 1 });
  await sql`SELECT set_config('tributary.scope', 'installation', false)`;
  return await work(sql).finally(() => sql.end());
}

const sealedIds = () =>
  asOwner(async (sql) => {
    const rows = await sql<{ id: string }[]>`
      SELECT encode(substring(sealed FROM 2 FOR 4), 'hex') AS id FROM tributary.sink_versions
      UNION SELECT encode(substring(sealed_private_key FROM 2 FOR 4), 'hex') FROM tributary.signing_keys`;
    return rows.map((row) => row.id);
  });

test("check 12: the master key is rotated while the server runs, and again, and survives a restart", async () => {
  const hook = { webhook: { url: "http://127.0.0.1:1/", headers: { "x-key": "k" } } };
  const name = `${stream}/sinks/hook`;
  await call(server, "management.v1.SinkService/CreateSink", {
    parent: stream,
    sinkId: "hook",
    sink: hook,
    skipTest: true,
  });
  const first = fileKeyId();
  expect(await sealedIds()).toEqual([first]);
  for (let round = 0; round < 2; round++) {
    const before = fileKeyId();
    const { code, stdout } = await run("keys", "rotate-master");
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/sink_versions\.sealed {2}[1-9]/),
    });
    expect(fileKeyId()).not.toBe(before);
    expect(await sealedIds()).toEqual([fileKeyId()]);
    expect((await getSink(server, name)).webhook?.url).toBe("http://127.0.0.1:1/");
    // What is sealed from now on is under the new key.
    await call(server, "management.v1.SinkService/UpdateSink", {
      sink: { name, description: `round ${round}` },
      updateMask: "description",
    });
    expect(await sealedIds()).toEqual([fileKeyId()]);
  }
  await server.stop();
  server = await startServer({ dataDir: server.dataDir });
  expect((await getSink(server, name)).webhook?.url).toBe("http://127.0.0.1:1/");
  expect(server.output()).not.toContain("cannot be decrypted");
});

test("check 12: another key than the one that sealed is refused at start", async () => {
  const { code, stdout } = await promisify(execFile)(
    process.execPath,
    [join(import.meta.dirname, "../../src/main.ts"), "keys", "list"],
    {
      env: {
        ...process.env,
        TRIBUTARY_DATA_DIR: server.dataDir,
        TRIBUTARY_MASTER_KEY: randomBytes(32).toString("base64"),
      },
    },
  ).then(
    () => ({ code: 0, stdout: "" }),
    (error: { code: number; stderr: string }) => ({ code: error.code, stdout: error.stderr }),
  );
  expect(code).toBe(1);
  expect(stdout).toContain("TRIBUTARY_MASTER_KEY_PREVIOUS");
});

test("check 34: `tributary audit verify` finds a row that was changed in the database", async () => {
  const sound = await run("audit", "verify");
  expect(sound).toMatchObject({ code: 0 });
  expect(sound.stdout).toContain("sound");
  await asOwner(async (sql) => {
    await sql`ALTER TABLE tributary.audit_events DISABLE TRIGGER only_append`;
    await sql`UPDATE tributary.audit_events SET event = event || '\x7a0161' WHERE number = 1`;
  });
  const tampered = await run("audit", "verify");
  expect(tampered.code).toBe(1);
  expect(tampered.stdout).toMatch(/TAMPERED: event 1 \(\w+\) was changed/);
});
