import { afterAll, beforeAll, expect, test } from "vitest";
import { call, createStream } from "../support/api.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

interface Values {
  states?: { value: string; description: string }[];
  types?: { value: string; description: string }[];
  kinds?: { kind: string; batchCount: number; batchCountMax: number }[];
}
const get = async (path: string) => {
  const answer = await server.get(`/v1/${path}`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as Values;
};

test("E22: four GETs list states, kinds, stream types and filter field types, each explained", async () => {
  const { states = [] } = await get("sinkStates");
  expect(states.map(({ value }) => value)).toEqual(["RUNNING", "PAUSED", "ERROR", "PENDING"]);
  const { types: filterTypes = [] } = await get("filterFieldTypes");
  expect(filterTypes.map(({ value }) => value)).toEqual(["field", "or", "and"]);
  const { types = [] } = await get("streamTypes");
  for (const { description } of [...states, ...types, ...filterTypes]) {
    expect(description).not.toBe("");
  }
});

test("E22: every listed stream type is one that CreateStream takes", async () => {
  const { types = [] } = await get("streamTypes");
  expect(types.length).toBeGreaterThan(0);
  for (const { value } of types) {
    const streamId = `of-${value.toLowerCase().replaceAll("_", "-")}`;
    const request = {
      parent: "projects/demo",
      streamId,
      stream: { schema: { preset: value } },
    };
    const { stream } = await call<{ stream: { name: string } }>(
      server,
      "management.v1.StreamService/CreateStream",
      request,
    );
    expect(stream.name).toContain(streamId);
  }
});

test("E22: every listed kind of sink is one that CreateSink knows, with the batch it lists", async () => {
  const { kinds = [] } = await get("sinkKinds");
  expect(kinds.map(({ kind }) => kind)).toContain("webhook");
  const stream = await createStream(server, "kinds", { fields: { n: "LONG" } });
  for (const { kind, batchCountMax } of kinds) {
    const create = call(server, "management.v1.SinkService/CreateSink", {
      parent: stream,
      sinkId: `a-${kind}`,
      sink: { [kind]: {}, batching: { count: Math.min(100_000, batchCountMax + 1) } },
      validateOnly: true,
    });
    // Known and found wanting: an unknown kind would not even be read.
    await expect(create).rejects.toMatchObject({ reason: "INVALID_FIELDS" });
  }
});

test("E24: an unknown format is answered 400 with the supported ones, by RPC and by REST, and nothing is made", async () => {
  const stream = await createStream(server, "formats", { fields: { n: "LONG" } });
  const sink = { s3: { bucket: "lake", access: { region: "eu-central-1" }, format: "AVRO" } };
  const text = '"AVRO" is not known as Format: use one of NDJSON, CSV, PARQUET';
  const create = call(server, "management.v1.SinkService/CreateSink", { parent: stream, sink });
  await expect(create).rejects.toMatchObject({ status: 400, text });
  const answer = await server.post(`/v1/${stream}/sinks`, sink);
  expect(answer.status).toBe(400);
  expect(((await answer.json()) as { message: string }).message).toContain(text);
  const { sinks = [] } = await call<{ sinks?: unknown[] }>(
    ...[server, "management.v1.SinkService/ListSinks"],
    { parent: stream },
  );
  expect(sinks).toEqual([]);
});
