import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ApiError, call, createSink, push } from "../support/api.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

let server: TestServer;
let receiver: Receiver;

beforeAll(async () => {
  [server, receiver] = await Promise.all([startServer(), startReceiver()]);
});
afterAll(async () => {
  await receiver?.close();
  await server?.close();
});

async function presetStream(streamId: string, preset: string, keyFields: string[] = []) {
  const { stream } = await call<{ stream: { name: string } }>(
    server,
    "management.v1.StreamService/CreateStream",
    { parent: "projects/demo", streamId, stream: { schema: { preset }, keyFields } },
  );
  return stream.name;
}

const update = (more: object) => ({
  feed: "user:1",
  new: [],
  deleted: [],
  deleted_foreign_ids: [],
  published_at: "2026-03-01T10:00:00.000Z",
  ...more,
});
const event = (type: string) =>
  update({ feed: "", type, generic: { id: `${type}-1`, updated_at: "2026-03-01T10:00:00Z" } });

const ACTIONS: [string, string, object][] = [
  ["G12", "activity added", update({ new: [{ id: "a1", verb: "post" }] })],
  ["G12", "activity deleted", update({ deleted: ["a1"] })],
  [
    "G05",
    "deletion by foreign id",
    update({ deleted_foreign_ids: [["post:1", "2026-03-01T09:00:00Z"]] }),
  ],
  ...[
    ...["file.add", "file.delete", "image.add", "image.delete"],
    ...["collection.add", "collection.update", "collection.delete"],
    ...["user.add", "user.update", "user.delete"],
    ...["reaction.add", "reaction.update", "reaction.delete"],
  ].map((type): [string, string, object] => ["G13, G22", type, event(type)]),
];

describe("FEED_UPDATES", () => {
  test("G12, G13, G22: each action gives one event at the webhook, in the order of its feed", async () => {
    const stream = await presetStream("feeds", "FEED_UPDATES", ["feed"]);
    await createSink(server, stream, { id: "hook", webhook: { url: receiver.url } });
    for (const [id, title, record] of ACTIONS) {
      const answer = await push(server, stream, [record]);
      expect(answer.status, `${id} ${title}: ${await answer.clone().text()}`).toBe(200);
    }
    await waitFor(() => receiver.accepted().length === ACTIONS.length, { what: "every event" });
    expect(receiver.accepted()).toEqual(ACTIONS.map(([, , record]) => record));
  });

  test.each([
    ["a type beside a feed", update({ type: "user.add" }), "records[0].type"],
    ["neither feed nor type", update({ feed: "" }), "records[0].type"],
    ["generic without type", update({ generic: {} }), "records[0].generic"],
    [
      "a foreign id without its time",
      update({ deleted_foreign_ids: [["post:1"]] }),
      "records[0].deleted_foreign_ids[0]",
    ],
    ["no list of new", { ...update({}), new: undefined }, "records[0].new"],
  ])("G05: %s is refused", async (_title, record, field) => {
    const answer = await push(server, "projects/demo/streams/feeds", [record]);
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain(field);
  });
});

test("E07: events take filters, usage data does not", async () => {
  const events = await presetStream("service-events", "EVENTS");
  const usage = await presetStream("service-usage", "USAGE_DATA");
  const sink = {
    id: "hook",
    webhook: { url: receiver.url },
    filter: { fields: { terms: [{ field: "event_type.id", value: [1, 2] }] } },
  };
  await createSink(server, events, sink);
  const refused = await createSink(server, usage, sink).catch((error: ApiError) => error);
  expect(refused).toMatchObject({ status: 400 });
  expect(String(refused)).toContain("sink.filter");
  const reference = { id: 1, description: "x" };
  const records = [
    {
      id: 1,
      timestamp: "2026-03-01T10:00:00Z",
      event_type: reference,
      event_severity: reference,
      event_source: reference,
      organisation: { id: 1, name: "x" },
    },
  ];
  expect((await push(server, events, records)).status).toBe(200);
});
