import { afterAll, beforeAll, expect, test } from "vitest";
import { call, countsOf, createSink, createStream, push } from "../support/api.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

interface Header {
  name: string;
  value: string;
}

interface Attempt {
  name: string;
  state: string;
  statusCode?: number;
  reason?: string;
  message?: string;
  requestId: string;
  number: number;
  duration: string;
  recordCount: number;
  filteredCount?: number;
  heldCount?: number;
  firstPlace: string;
  remade?: boolean;
  exchanges?: {
    method?: string;
    url?: string;
    requestHeaders?: Header[];
    requestBody?: string;
    statusCode?: number;
    responseHeaders?: Header[];
    responseBody?: string;
  }[];
}

let server: TestServer;
let receiver: Receiver;

beforeAll(async () => {
  server = await startServer();
  receiver = await startReceiver();
});
afterAll(async () => {
  await server?.close();
  await receiver?.close();
});

const listAttempts = async (parent: string, more: Record<string, unknown> = {}) => {
  const request = { parent, ...more };
  const method = "management.v1.DeliveryService/ListAttempts";
  return await call<{ attempts?: Attempt[]; nextPageToken?: string }>(server, method, request);
};
const getAttempt = async (name: string) => {
  const method = "management.v1.DeliveryService/GetAttempt";
  return (await call<{ attempt: Attempt }>(server, method, { name })).attempt;
};
const attemptsOf = (parent: string, count: number, more: Record<string, unknown> = {}) =>
  waitFor(
    async () => {
      const { attempts = [] } = await listAttempts(parent, more);
      return attempts.length >= count ? attempts : undefined;
    },
    { timeoutMs: 10_000, what: `${count} attempts` },
  );
const text = (base64 = "") => Buffer.from(base64, "base64").toString();
const headerOf = (headers: Header[] = [], name: string) =>
  headers.find((header) => header.name === name)?.value;

test("B03: a failure is kept in full without secrets, its repeat has the same request, and pages go on by state", async () => {
  receiver.mode = { kind: "status", status: 500 };
  const stream = await createStream(server, "attempts", { fields: { n: "LONG" } });
  const { name } = await createSink(server, stream, {
    id: "hook",
    webhook: {
      url: receiver.url.replace("http://", "http://robot:hunter22@"),
      headers: { "x-team": "secret-team" },
    },
    retry: { schedule: ["0.2s"] },
  });
  await push(server, stream, [{ n: 1 }, { n: 2 }]);
  await attemptsOf(name, 2, { states: ["RETRYING"] });
  receiver.mode = { kind: "ok" };
  const [delivered] = await attemptsOf(name, 1, { states: ["DELIVERED"] });
  const { attempts = [], nextPageToken } = await listAttempts(name, { pageSize: 2 });
  expect(attempts.map(({ state }) => state)).toEqual(["DELIVERED", "RETRYING"]);
  const rest = await listAttempts(name, { pageSize: 1_000, pageToken: nextPageToken });
  const all = [...attempts, ...(rest.attempts ?? [])];
  expect(new Set(all.map((attempt) => attempt.name)).size).toBe(all.length);
  const failed = all.at(-1)!;
  expect(failed).toMatchObject({ number: 1, statusCode: 500, reason: "HTTP_500", recordCount: 2 });
  expect(failed.requestId).toBe(delivered!.requestId);
  expect(failed.exchanges ?? []).toEqual([]);
  expect(failed.duration).toMatch(/^\d+\.\d+s$/);

  const full = await getAttempt(failed.name);
  const [exchange] = full.exchanges!;
  expect(exchange).toMatchObject({ method: "POST", url: receiver.url, statusCode: 500 });
  expect(text(exchange!.requestBody)).toBe('[{"n":1},{"n":2}]');
  expect(headerOf(exchange!.requestHeaders, "authorization")).toBe("***");
  expect(headerOf(exchange!.requestHeaders, "x-team")).toBe("***");
  expect(headerOf(exchange!.requestHeaders, "webhook-id")).toBe(failed.requestId);
  const shown = JSON.stringify(full);
  for (const secret of ["hunter22", "secret-team", "whsec_"]) expect(shown).not.toContain(secret);
});

test("B03: what a success sent that was not kept, and a table's rows, are made again from the log with filter and mapping", async () => {
  const stream = await createStream(server, "remade", { fields: { n: "LONG" } });
  const mapping = { columns: [{ name: "twice", path: { path: "n" }, type: "LONG" }] };
  const { name } = await createSink(server, stream, {
    id: "table",
    postgres: { table: "remade" },
    mapping,
    filter: { cel: "record.n > 1" },
  });
  await push(server, stream, [{ n: 1 }, { n: 2 }, { n: 3 }]);
  await waitFor(async () => (await countsOf(server, name)).delivered === 2, { what: "two rows" });
  const [attempt] = await attemptsOf(name, 1, { states: ["DELIVERED"] });
  expect(attempt).toMatchObject({ recordCount: 3, filteredCount: 1 });
  const full = await getAttempt(attempt!.name);
  expect(full.remade).toBe(true);
  expect(text(full.exchanges![0]!.requestBody)).toBe('[{"twice":2},{"twice":3}]');
});
