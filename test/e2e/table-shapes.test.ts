import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  call,
  createSink,
  createStream,
  getSink,
  listAll,
  push,
  schemaOf,
} from "../support/api.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";
import { countRows } from "../support/table.ts";

let server: TestServer;
let sql: postgres.Sql;

beforeAll(async () => {
  server = await startServer();
  sql = postgres(server.env.SINK_DATABASE_URL ?? "", { max: 1, onnotice: () => undefined });
});
afterAll(async () => {
  await sql?.end();
  await server?.close();
});

const rowsIn = async (table: string) =>
  (await sql`SELECT * FROM ${sql(table)} ORDER BY id`).map((row) => ({ ...row }));

test("F09: changes pushed in any order, twice and over partitions leave the newest rows in the table", async () => {
  const fields = { id: "LONG", version: "LONG", gone: "BOOLEAN?", note: "STRING" };
  const changeDataCapture = { primaryKey: ["id"], orderField: "version", deleteField: "gone" };
  const { stream } = await call<{ stream: { name: string; keyFields: string[] } }>(
    server,
    "management.v1.StreamService/CreateStream",
    {
      parent: "projects/demo",
      streamId: "changes",
      stream: { schema: { ...schemaOf(fields), changeDataCapture }, throughput: "HIGH" },
    },
  );
  expect(stream.keyFields).toEqual(["id"]);
  const sink = await createSink(server, stream.name, {
    id: "table",
    postgres: { table: "changes", mode: "CHANGE_DATA_CAPTURE" },
  });
  const changes = Array.from({ length: 30 }, (_, id) =>
    [1, 2, 3].map((version) => ({
      id,
      version,
      gone: version === 2 ? id % 3 === 0 : version === 3 && id % 5 === 0,
      note: `${id} at ${version}`,
    })),
  ).flat();
  // Backwards, and the older half once more.
  const sent = [...changes.toReversed(), ...changes.filter((each) => each.version < 3)];
  for (let at = 0; at < sent.length; at += 7) {
    expect((await push(server, stream.name, sent.slice(at, at + 7))).status).toBe(200);
  }
  await waitFor(async () => {
    const { status } = await getSink(server, sink.name);
    return Number(status?.counts?.delivered ?? 0) === sent.length;
  });
  const wanted = Array.from({ length: 30 }, (_, id) => id).filter((id) => id % 5 !== 0);
  expect(await rowsIn("changes")).toEqual(
    wanted.map((id) => ({ id: String(id), version: "3", note: `${id} at 3` })),
  );

  for (const pageSize of [7, 1_000]) {
    const resolved = await listAll(server, stream.name, { view: "RESOLVED", pageSize });
    const rows = resolved.map(({ value }) => value).sort((x, y) => Number(x.id) - Number(y.id));
    expect(rows).toEqual(wanted.map((id) => ({ id, version: 3, gone: false, note: `${id} at 3` })));
  }
  const one = { view: "RESOLVED", filter: "id = 7" };
  expect((await listAll(server, stream.name, one)).map(({ value }) => value.version)).toEqual([3]);
  const early = listAll(server, stream.name, { view: "RESOLVED", fromSequence: 3 });
  await expect(early).rejects.toThrow("from_sequence");
});

test("a new field reaches the table of the sink that says so, and the other one waits and names the column", async () => {
  const stream = await createStream(server, "growing", { fields: { id: "LONG" } });
  const growing = { id: "grows", postgres: { table: "grows", addColumns: true } };
  await createSink(server, stream, growing);
  const fixed = await createSink(server, stream, { id: "stays", postgres: { table: "stays" } });
  await push(server, stream, [{ id: 1 }]);
  await waitFor(async () => (await countRows(sql, "stays")) === 1);
  await call(server, "management.v1.StreamService/UpdateStream", {
    stream: { name: stream, schema: schemaOf({ id: "LONG", unit: "STRING?" }) },
    updateMask: "schema",
  });
  await push(server, stream, [{ id: 2, unit: "K" }]);
  await waitFor(async () => (await countRows(sql, "grows")) === 2);
  expect(await rowsIn("grows")).toEqual([
    { id: "1", unit: null },
    { id: "2", unit: "K" },
  ]);
  await waitFor(async () => (await getSink(server, fixed.name)).status?.state === "ERROR");
  const { status } = await getSink(server, fixed.name);
  expect(status).toMatchObject({
    reason: "TABLE_MISMATCH",
    cause: expect.stringContaining("column unit text is missing"),
  });
  await sql`ALTER TABLE stays ADD COLUMN unit text`;
  await call(server, "management.v1.SinkService/RestartSink", { name: fixed.name });
  await waitFor(async () => (await countRows(sql, "stays")) === 2);
  expect(await rowsIn("stays")).toEqual(await rowsIn("grows"));
});
