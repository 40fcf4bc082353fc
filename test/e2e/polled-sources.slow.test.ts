import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, createStream, listAll } from "../support/api.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

type Answer = { status?: number; headers?: Record<string, string>; body?: unknown };
interface Asked {
  readonly url: URL;
  readonly headers: IncomingMessage["headers"];
}

let server: TestServer;
let api: Server;
/** What the API answers, by path; and what it was asked. */
const answers = new Map<string, (asked: Asked) => Answer>();
const requests: Asked[] = [];

beforeAll(async () => {
  api = createServer((request, response) => {
    const asked = { url: new URL(request.url ?? "", "http://api"), headers: request.headers };
    requests.push(asked);
    const {
      status = 200,
      headers = {},
      body,
    } = answers.get(asked.url.pathname)?.(asked) ?? {
      status: 404,
    };
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(typeof body === "string" ? body : JSON.stringify(body ?? null));
  });
  await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
  server = await startServer();
});
afterAll(async () => {
  await server?.close();
  api?.close();
});

interface SourceView {
  name: string;
  url?: string;
  poll: { headers?: Record<string, string> };
  pollStatus: { state?: string; cause?: string; failures?: number; cursor?: string };
}

const addressOf = (path: string) =>
  `http://127.0.0.1:${(api.address() as AddressInfo).port}${path}`;
const askedAt = (path: string) => requests.filter(({ url }) => url.pathname === path);

async function openPolled(id: string, poll: object, more: object = {}) {
  const stream = await createStream(server, id, { fields: { id: "LONG", text: "STRING?" } });
  const source = { mode: "POLL", poll: { url: addressOf(`/${id}`), ...poll }, ...more };
  const made = await call<{ source: SourceView }>(
    server,
    "management.v1.SourceService/CreateSource",
    {
      parent: stream,
      sourceId: "poller",
      source,
    },
  );
  return { stream, name: made.source.name, source: made.source };
}
const viewOf = async (name: string) =>
  (await call<{ source: SourceView }>(server, "management.v1.SourceService/GetSource", { name }))
    .source;
const stored = async (stream: string) =>
  (await listAll(server, stream)).map((each) => each.value.id);

test("S01: a source is polled by a cursor; items come from a path; header values are sealed", async () => {
  answers.set("/paged", ({ url }) => {
    const after = Number(url.searchParams.get("after") ?? 0);
    const items = [1, 2].map((n) => ({ id: after + n })).filter(({ id }) => id <= 6);
    return { body: { data: { items } } };
  });
  const { stream, name, source } = await openPolled("paged", {
    interval: "1s",
    itemsPath: "data.items",
    cursorPath: "id",
    cursorParameter: "after",
    headers: { Authorization: "Bearer very-secret-token" },
  });
  expect(source.poll.headers).toEqual({ authorization: "" });
  expect(source.url ?? "").toBe("");
  await waitFor(async () => (await stored(stream)).length >= 6, {
    timeoutMs: 30_000,
    everyMs: 200,
  });
  expect(await stored(stream)).toEqual([1, 2, 3, 4, 5, 6]);
  const asked = askedAt("/paged");
  expect(asked[0]?.headers.authorization).toBe("Bearer very-secret-token");
  expect(asked.slice(0, 3).map(({ url }) => url.searchParams.get("after"))).toEqual([
    null,
    "2",
    "4",
  ]);
  expect(await viewOf(name)).toMatchObject({ pollStatus: { state: "OK", cursor: "6" } });
  expect(JSON.stringify(await viewOf(name))).not.toContain("very-secret");
  await call(server, "management.v1.SourceService/DeleteSource", { name });
}, 60_000);

test("S01: repeats by their id are not stored twice; an unchanged answer is asked for by its ETag", async () => {
  let items = [{ id: 1 }, { id: 2 }, { id: 2 }];
  answers.set("/repeated", ({ headers }) => {
    const etag = `"${items.length}"`;
    if (headers["if-none-match"] === etag) return { status: 304, headers: { etag } };
    return { headers: { etag, "last-modified": "Sat, 01 Jan 2022 00:00:00 GMT" }, body: items };
  });
  const { stream, name } = await openPolled(
    "repeated",
    { cron: "* * * * * *" },
    { recordIdPath: "id" },
  );
  await waitFor(
    () => askedAt("/repeated").some(({ headers }) => headers["if-none-match"] === '"3"'),
    {
      timeoutMs: 30_000,
    },
  );
  expect(askedAt("/repeated").at(-1)?.headers["if-modified-since"]).toContain("2022");
  items = [...items, { id: 3 }];
  await waitFor(async () => (await stored(stream)).length >= 3, {
    timeoutMs: 30_000,
    everyMs: 200,
  });
  await waitFor(() =>
    askedAt("/repeated").some(({ headers }) => headers["if-none-match"] === '"4"'),
  );
  expect(await stored(stream)).toEqual([1, 2, 3]);
  await call(server, "management.v1.SourceService/DeleteSource", { name });
}, 60_000);

test("S01: failures show their cause and are repeated after growing waits, then it goes on", async () => {
  let isDown = true;
  answers.set("/failing", () => (isDown ? { status: 503, body: "{}" } : { body: [{ id: 1 }] }));
  const { stream, name } = await openPolled("failing", { interval: "1s" });
  const failing = await waitFor(
    async () => {
      const { pollStatus } = await viewOf(name);
      return (pollStatus.failures ?? 0) >= 2 ? pollStatus : undefined;
    },
    { timeoutMs: 30_000, everyMs: 100 },
  );
  expect(failing).toMatchObject({ state: "FAILING", cause: expect.stringContaining("503") });
  isDown = false;
  await waitFor(async () => (await stored(stream)).length > 0, { timeoutMs: 30_000, everyMs: 200 });
  const { pollStatus } = await viewOf(name);
  expect(pollStatus).toMatchObject({ state: "OK" });
  expect(pollStatus.failures ?? 0).toBe(0);
  answers.set("/failing", () => ({ body: '{"not": json' }));
  await waitFor(async () => (await viewOf(name)).pollStatus.state === "FAILING", {
    timeoutMs: 20_000,
  });
  await call(server, "management.v1.SourceService/DeleteSource", { name });
}, 90_000);

test("S01: settings that cannot work are refused with their field; nobody sends to a polled source", async () => {
  const stream = await createStream(server, "refused", { fields: { id: "LONG" } });
  const create = (source: object) =>
    call(server, "management.v1.SourceService/CreateSource", {
      parent: stream,
      sourceId: "x",
      source: { mode: "POLL", ...source },
    });
  const url = addressOf("/refused");
  await expect(create({})).rejects.toThrow("source.poll");
  await expect(create({ poll: { url, cron: "61 * * * *" } })).rejects.toThrow("source.poll.cron");
  await expect(create({ poll: { url } })).rejects.toThrow("source.poll.schedule");
  await expect(create({ poll: { url: "ftp://x/", interval: "5s" } })).rejects.toThrow("poll.url");
  const half = { url, interval: "5s", cursorPath: "id" };
  await expect(create({ poll: half })).rejects.toThrow("cursor_parameter");
  const both = { apiKey: {}, poll: { url, interval: "5s" } };
  await expect(create(both)).rejects.toThrow("source.authentication");
  answers.set("/quiet", () => ({ body: [] }));
  const poll = { url: addressOf("/quiet"), interval: "600s" };
  await create({ publicId: "polled-quiet", poll });
  const sent = await fetch(`${server.url}/in/polled-quiet`, { method: "POST", body: "{}" });
  expect(sent.status).toBe(404);
});

test("B12, S01: TestSource reads an answer as a poll would, from the path of its items; nothing is stored", async () => {
  answers.set("/tried", () => ({ body: { data: { items: [] } } }));
  const poll = { interval: "600s", itemsPath: "data.items" };
  const { stream, name } = await openPolled("tried", poll, { recordIdPath: "id" });
  const tryOut = (answer: string) =>
    call<{ ok?: boolean; error?: string; outcomes?: { producerId?: string; error?: string }[] }>(
      server,
      "management.v1.SourceService/TestSource",
      { name, body: Buffer.from(answer).toString("base64") },
    );
  const tried = await tryOut('{"data":{"items":[{"id":7},{"id":"x"}]}}');
  expect(tried.outcomes?.[0]).toMatchObject({ producerId: "7" });
  expect(tried.outcomes?.[1]?.error).toContain("id");
  expect(await tryOut('{"data":{"items":[]}}')).toMatchObject({ ok: true });
  expect((await tryOut('{"other":[]}')).error).toContain("data.items");
  expect(await stored(stream)).toEqual([]);
});
