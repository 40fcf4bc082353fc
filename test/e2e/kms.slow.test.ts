import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { CreateKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, createStream } from "../support/api.ts";
import { type Moto, startMoto } from "../support/aws/moto.ts";
import { makeDataDir, removeData, startServer, type TestServer } from "../support/server.ts";
import { createTestDatabase } from "../support/shared-servers.ts";

const IDENTITY = { accessKeyId: "AKIATEST", secretAccessKey: "secret" };

let moto: Moto;
let client: KMSClient;
let databaseUrl: string;
const dataDir = makeDataDir();

beforeAll(async () => {
  moto = await startMoto();
  client = new KMSClient({ region: "eu-central-1", endpoint: moto.url, credentials: IDENTITY });
  databaseUrl = await createTestDatabase();
}, 300_000);
afterAll(async () => {
  client?.destroy();
  await moto?.close();
  await removeData(dataDir);
});

async function makeKmsKey(): Promise<string> {
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}));
  return KeyMetadata?.Arn ?? "";
}

const commonEnv = () => ({
  DATABASE_URL: databaseUrl,
  TRIBUTARY_DEMO: "1",
  TRIBUTARY_EGRESS_LOOPBACK: "1",
});
const envOf = (keyArn: string) => ({
  ...commonEnv(),
  TRIBUTARY_KMS_KEY: keyArn,
  TRIBUTARY_KMS_ENDPOINT: moto.url,
  TRIBUTARY_AWS_ACCESS_KEY_ID: IDENTITY.accessKeyId,
  TRIBUTARY_AWS_SECRET_ACCESS_KEY: IDENTITY.secretAccessKey,
});

async function rotate(keyArn: string): Promise<string> {
  const env = { ...process.env, ...envOf(keyArn), TRIBUTARY_DATA_DIR: dataDir };
  const main = join(import.meta.dirname, "../../src/main.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [main, "keys", "rotate-master"], {
    env,
  });
  return stdout;
}

/** Ids of the master keys that secrets are under, and of those that the service holds the key to. */
async function readIds() {
  const sql = postgres(databaseUrl, { max: 1 });
  try {
    await sql`SELECT set_config('tributary.scope', 'installation', false)`;
    const sealed = await sql<{ id: string }[]>`
      SELECT encode(substring(sealed FROM 2 FOR 4), 'hex') AS id FROM tributary.sink_versions
      UNION SELECT encode(substring(sealed_private_key FROM 2 FOR 4), 'hex') FROM tributary.signing_keys`;
    const managed = await sql<{ id: string }[]>`
      SELECT encode(id, 'hex') AS id FROM tributary.managed_master_keys ORDER BY create_time`;
    return { sealed: sealed.map(({ id }) => id), managed: managed.map(({ id }) => id) };
  } finally {
    await sql.end();
  }
}

async function makeSink(server: TestServer, id: string) {
  const stream = await createStream(server, id, { fields: { n: "LONG" } });
  const sink = { webhook: { url: "http://127.0.0.1:1/", headers: { "x-key": "k" } } };
  const request = { parent: stream, sinkId: "hook", sink, skipTest: true };
  await call(server, "management.v1.SinkService/CreateSink", request);
}

test("check 12: secrets of a key file move under AWS KMS, whose key is rotated while the server runs", async () => {
  const before = await startServer({
    dataDir,
    env: commonEnv(),
  });
  await makeSink(before, "filed");
  await before.stop();
  const arn = await makeKmsKey();
  let server = await startServer({ dataDir, env: envOf(arn) });
  try {
    const mixed = await readIds();
    expect(mixed.managed).toHaveLength(1);
    expect(mixed.sealed).not.toContain(mixed.managed[0]);
    await rotate(arn);
    expect((await readIds()).sealed).toEqual(mixed.managed);
    // From now on nothing but the service opens them.
    rmSync(join(dataDir, "master.key"));

    await rotate(arn);
    const rotated = await readIds();
    expect(rotated.managed).toHaveLength(2);
    expect(rotated.sealed).toEqual([rotated.managed[1]]);
    await makeSink(server, "managed");
    expect((await readIds()).sealed).toEqual([rotated.managed[1]]);

    await server.stop();
    server = await startServer({ dataDir, env: envOf(arn) });
    const sinks = await server.get("/v1/projects/demo/streams/filed/sinks");
    expect(sinks.status).toBe(200);
    expect(JSON.stringify(await sinks.json())).toContain("x-key");
    await makeSink(server, "again");
  } finally {
    await server.stop();
  }
  const other = await makeKmsKey();
  await expect(startServer({ dataDir, env: envOf(other) })).rejects.toThrow(
    /TRIBUTARY_KMS_KEY: arn:.* does not open the master keys/,
  );
}, 240_000);
