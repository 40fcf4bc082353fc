/** Staged table export with its rows in a bucket of the installation. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, countsOf, createSink, createStream, push } from "../support/api.ts";
import { startAwsDouble } from "../support/aws/double.ts";
import { createBuckets } from "../support/aws/s3.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";
import { connect } from "../support/table.ts";

let server: TestServer;
let double: Awaited<ReturnType<typeof startAwsDouble>>;
const buckets = createBuckets(["staging"]);
const { objects } = buckets.bucket("staging");

beforeAll(async () => {
  double = await startAwsDouble({}, buckets.fallback);
  server = await startServer({
    env: {
      TRIBUTARY_STAGING_BUCKET: "staging",
      TRIBUTARY_STAGING_PREFIX: "rows/",
      TRIBUTARY_STAGING_REGION: "eu-central-1",
      TRIBUTARY_STAGING_ENDPOINT: double.url,
      TRIBUTARY_STAGING_ACCESS_KEY_ID: "AKIATEST",
      TRIBUTARY_STAGING_SECRET_ACCESS_KEY: "s3cr3t-of-staging",
    },
  });
});
afterAll(async () => {
  await server?.close();
  await double?.close();
});

test("K13, K16: rows wait in the bucket, are listed and downloaded, and imported once, also when the bucket was away", async () => {
  const stream = await createStream(server, "staged", { fields: { id: "LONG" } });
  const { name } = await createSink(server, stream, {
    id: "table",
    postgres: { table: "from_bucket", staging: { count: "4" } },
  });
  await push(server, stream, [{ id: 1 }, { id: 2 }, { id: 3 }]);
  await waitFor(() => objects.size > 0, { what: "the staged rows" });
  expect([...objects.keys()].every((key) => /^rows\/.*\.csv$/.test(key))).toBe(true);
  const csv = await call<{ csv: string }>(server, "management.v1.SinkService/ReadStagedCsv", {
    name,
  });
  expect(Buffer.from(csv.csv, "base64").toString()).toMatch(/1\r\n.*2\r\n.*3\r\n/s);
  const listed = await call<{ stagedChunks: unknown[] }>(
    ...[server, "management.v1.SinkService/ListStagedChunks"],
    { parent: name },
  );
  expect(listed.stagedChunks.length).toBe(objects.size);
  // The bucket is away: rows wait in the stream and are staged when it is back.
  buckets.bucket("staging").refuse = () => ({ status: 503, code: "SlowDown" });
  await push(server, stream, [{ id: 4 }, { id: 5 }]);
  await waitFor(() => buckets.bucket("staging").puts > 0, { what: "a refused put" });
  buckets.bucket("staging").refuse = () => undefined;
  await waitFor(async () => (await countsOf(server, name)).delivered === 5, {
    timeoutMs: 90_000,
    what: "all rows to be imported",
  });
  const sql = connect(server.env.SINK_DATABASE_URL ?? "");
  const rows = await sql<{ id: string }[]>`SELECT id FROM from_bucket ORDER BY id`;
  await sql.end();
  expect(rows.map(({ id }) => Number(id))).toEqual([1, 2, 3, 4, 5]);
  // They stay for a table that is restored from its backup.
  expect(objects.size).toBeGreaterThan(0);
  expect(server.output()).not.toContain("s3cr3t-of-staging");
}, 150_000);

test("K13: a sink chooses where its rows are staged; after a change each is imported once from where it is", async () => {
  const stream = await createStream(server, "chosen", { fields: { id: "LONG" } });
  const before = objects.size;
  const postgres = (store: string, count: string) => ({
    table: "chosen",
    staging: { store, count },
  });
  const { name } = await createSink(server, stream, {
    id: "table",
    postgres: postgres("JETSTREAM", "100"),
  });
  const staged = async (rows: number) => {
    const { sink } = await call<{ sink: { status: { staging?: { rows?: string } } } }>(
      ...[server, "management.v1.SinkService/GetSink", { name }],
    );
    return Number(sink.status.staging?.rows ?? 0) === rows;
  };
  await push(server, stream, [{ id: 1 }, { id: 2 }]);
  await waitFor(() => staged(2), { what: "rows in JetStream" });
  expect(objects.size).toBe(before);
  const change = (store: string, count = "100") =>
    call(server, "management.v1.SinkService/UpdateSink", {
      sink: { name, postgres: postgres(store, count) },
      updateMask: "postgres",
    });
  buckets.bucket("staging").refuse = () => ({ status: 403, code: "AccessDenied" });
  await expect(change("BUCKET")).rejects.toMatchObject({ reason: "DESTINATION_REFUSED" });
  buckets.bucket("staging").refuse = () => undefined;
  await change("BUCKET");
  await push(server, stream, [{ id: 3 }, { id: 4 }]);
  await waitFor(() => staged(4), { what: "rows in the bucket" });
  expect(objects.size).toBeGreaterThan(before);
  await change("JETSTREAM", "5");
  await push(server, stream, [{ id: 5 }]);
  await waitFor(async () => (await countsOf(server, name)).delivered === 5, {
    timeoutMs: 90_000,
    what: "all rows to be imported",
  });
  const sql = connect(server.env.SINK_DATABASE_URL ?? "");
  const rows = await sql<{ id: string }[]>`SELECT id FROM chosen ORDER BY id`;
  await sql.end();
  expect(rows.map(({ id }) => Number(id))).toEqual([1, 2, 3, 4, 5]);
}, 150_000);
