/** Staged table export with its rows in a bucket of moto: a simulation of S3 by others. */
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, countsOf, createSink, createStream, push } from "../support/api.ts";
import { type Moto, startMoto } from "../support/aws/moto.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";
import { connect } from "../support/table.ts";

const KEYS = { accessKeyId: "AKIATEST", secretAccessKey: "s3cr3t-of-staging" };
const Bucket = "staging";
let moto: Moto;
let client: S3Client;
let server: TestServer;

beforeAll(async () => {
  moto = await startMoto();
  client = new S3Client({
    region: "us-east-1",
    endpoint: moto.url,
    credentials: KEYS,
    forcePathStyle: true,
  });
  await client.send(new CreateBucketCommand({ Bucket }));
  server = await startServer({ env: stagingEnv() });
}, 300_000);
afterAll(async () => {
  await server?.close();
  await moto?.close();
});

const stagingEnv = () => ({
  TRIBUTARY_STAGING_BUCKET: Bucket,
  TRIBUTARY_STAGING_PREFIX: "rows/",
  TRIBUTARY_STAGING_ENDPOINT: moto.url,
  TRIBUTARY_STAGING_ACCESS_KEY_ID: KEYS.accessKeyId,
  TRIBUTARY_STAGING_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
});
const keysNow = async () => {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
  return Contents.flatMap(({ Key }) => (Key ? [Key] : []));
};

test("moto, K13, K16: rows wait as CSV in a bucket, are downloaded, and imported once, also after a kill", async () => {
  const stream = await createStream(server, "staged", { fields: { id: "LONG", text: "STRING" } });
  const { name } = await createSink(server, stream, {
    id: "table",
    postgres: { table: "from_moto", staging: { count: "4" } },
  });
  await push(server, stream, [
    { id: 1, text: 'comma, "quote"' },
    { id: 2, text: "line\nbreak" },
    { id: 3, text: "grün" },
  ]);
  const [Key = ""] = await waitFor(
    async () => {
      const keys = await keysNow();
      return keys.length > 0 && (await stagedRows(name)) === 3 ? keys : undefined;
    },
    { timeoutMs: 60_000, what: "the staged rows" },
  );
  expect(Key).toMatch(/^rows\/.*\.csv$/);
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
  expect(await Body?.transformToString()).toContain('"comma, ""quote"""');
  const { csv } = await call<{ csv: string }>(server, "management.v1.SinkService/ReadStagedCsv", {
    name,
  });
  const text = Buffer.from(csv, "base64").toString();
  expect(text).toContain('"line\nbreak"');
  expect(text).toContain("grün");

  const { dataDir } = server;
  const port = Number(new URL(server.url).port);
  await server.stop("SIGKILL");
  server = await startServer({ dataDir, port, env: stagingEnv() });
  await push(server, stream, [
    { id: 4, text: "" },
    { id: 5, text: "five" },
  ]);
  await waitFor(async () => ((await countsOf(server, name)).delivered ?? 0) >= 4, {
    timeoutMs: 90_000,
    what: "the rows to be imported",
  });
  const sql = connect(server.env.SINK_DATABASE_URL ?? "");
  const rows = await sql<
    { id: string; text: string }[]
  >`SELECT id, text FROM from_moto ORDER BY id`;
  await sql.end();
  const expected = ['comma, "quote"', "line\nbreak", "grün", "", "five"];
  expect(rows.length).toBeGreaterThanOrEqual(4);
  expect(rows.map(({ text: each }) => each)).toEqual(expected.slice(0, rows.length));
}, 240_000);

async function stagedRows(name: string): Promise<number> {
  const { sink } = await call<{ sink: { status: { staging?: { rows?: string } } } }>(
    ...[server, "management.v1.SinkService/GetSink"],
    { name },
  );
  return Number(sink.status.staging?.rows ?? 0);
}
