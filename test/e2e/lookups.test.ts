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
