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

interface SinkTrace {
  sink: string;
  outcome: string;
  explanation: string;
  reason?: string;
  row?: string;
  mappingError?: string;
  attempts?: Attempt[];
}

interface Trace {
  branch: string;
  place: string;
  stored?: boolean;
  record?: string;
  push?: { source: string; schemaVersion: string; authentication: string };
  sinks: SinkTrace[];
}

test("N08: one id tells the push, and for each sink the rule that stopped the record", async () => {
  receiver.mode = { kind: "refuse", isBad: ({ n }) => n === 13 };
  const stream = await createStream(server, "traced", { fields: { n: "LONG", k: "LONG?" } });
  const webhook = { url: receiver.url };
  const make = async (id: string, more: Record<string, unknown>) =>
    (await createSink(server, stream, { id, webhook, ...more })).name;
  const names = {
    all: await make("all", {}),
    big: await make("big", { filter: { cel: "record.n > 20" } }),
    mapped: await make("mapped", { mapping: { columns: [{ name: "k", path: { path: "k.x" } }] } }),
    paused: await make("paused", {}),
  };
  await call(server, "management.v1.SinkService/PauseSink", { name: names.paused });
  const { recordIds } = await call<{ recordIds: string[] }>(server, "push.v1.PushService/Push", {
    stream,
    records: [{ value: { n: 13 } }, { value: { n: 5 } }],
    returnRecordIds: true,
  });
  await waitFor(async () => (await countsOf(server, names.all)).held === 1, { what: "one held" });
  await waitFor(async () => (await countsOf(server, names.mapped)).held === 2, {
    what: "two held",
  });
  await waitFor(async () => (await countsOf(server, names.big)).filtered === 2, {
    what: "filtered",
  });
  await attemptsOf(names.all, 3);
  const trace = async (recordId: string) => {
    const method = "management.v1.DeliveryService/TraceRecord";
    const answer = await call<{ trace: Trace }>(server, method, { stream, recordId });
    const bySink = new Map(answer.trace.sinks.map((sink) => [sink.sink, sink]));
    return { ...answer.trace, of: (sink: string) => bySink.get(sink)! };
  };
  const bad = await trace(recordIds[0]!);
  expect(bad).toMatchObject({
    branch: `${stream}/branches/main`,
    stored: true,
    record: '{"n":13}',
  });
  expect(bad.push).toMatchObject({ source: "push", schemaVersion: "1" });
  expect(bad.of(names.all)).toMatchObject({ outcome: "HELD", reason: "HTTP_422" });
  expect(bad.of(names.all).attempts!.map(({ state }) => state)).toEqual(["SPLIT", "HELD"]);
  expect(bad.of(names.big)).toMatchObject({ outcome: "FILTERED", reason: "FILTERED" });
  expect(bad.of(names.big).explanation).toContain("record.n > 20");
  expect(bad.of(names.mapped)).toMatchObject({ outcome: "HELD", reason: "MAPPING_FAILED" });
  expect(bad.of(names.mapped).mappingError).toMatch(/k/);
  expect(bad.of(names.paused)).toMatchObject({
    outcome: "PENDING",
    explanation: "the sink is paused",
  });
  const good = await trace(recordIds[1]!);
  expect(good.of(names.all)).toMatchObject({ outcome: "DELIVERED", row: '{"n":5}' });
  const unknown = await trace("01900000-0000-7000-8000-000000000000").catch(String);
  expect(unknown).toMatch(/404/);
});

interface Ledger {
  startTime?: string;
  endTime?: string;
  counts: Record<string, string>;
  balanced?: boolean;
  partitions?: { delivered?: string; filtered?: string; held?: string }[];
}

test("N07, B11: the ledger of a sink adds up, by partition too, is exported, and stands in the statistics of its stream", async () => {
  receiver.mode = { kind: "refuse", isBad: ({ n }) => n === 4 };
  const stream = await createStream(server, "counted", {
    fields: { n: "LONG" },
    keyFields: ["n"],
    throughput: "HIGH",
  });
  const { name } = await createSink(server, stream, {
    id: "hook",
    webhook: { url: receiver.url },
    filter: { cel: "record.n % 2 == 0" },
  });
  await push(
    server,
    stream,
    Array.from({ length: 10 }, (_, n) => ({ n })),
  );
  const isSettled = async () => {
    const { pushed, pending } = await countsOf(server, name);
    return pushed === 10 && pending === 0;
  };
  await waitFor(isSettled, { what: "all settled" });
  const rejected = await pushRefused(stream);
  const deliveries = <T>(method: string, request: unknown) =>
    call<T>(server, `management.v1.DeliveryService/${method}`, request);
  const { ledger } = await deliveries<{ ledger: Ledger }>("GetLedger", { name });
  expect(ledger).toMatchObject({
    counts: { pushed: "10", delivered: "4", filtered: "5", held: "1" },
    balanced: true,
  });
  const sum = (field: "delivered" | "filtered" | "held") =>
    ledger.partitions!.reduce((total, partition) => total + Number(partition[field] ?? 0), 0);
  expect([sum("delivered"), sum("filtered"), sum("held")]).toEqual([4, 5, 1]);

  const csv = await deliveries<{ content: string }>("ExportLedgers", { parent: stream });
  const [head, line, end] = csv.content.split("\r\n");
  expect(head).toMatch(/^sink,branch,.*,pushed,delivered,filtered,held,/);
  expect(line).toContain(`${name},${stream}/branches/main,`);
  expect(line).toMatch(/,10,4,5,1,0,0,0,true$/);
  expect(end).toBe("");
  const lines = await deliveries<{ content: string }>("ExportLedgers", {
    parent: "projects/demo",
    format: "NDJSON",
  });
  const records = lines.content
    .trimEnd()
    .split("\n")
    .map((text) => JSON.parse(text));
  expect(records.find(({ sink }) => sink === name)).toMatchObject({ pushed: 10, balanced: true });
  expect(records.every(({ balanced }) => balanced)).toBe(true);

  const { statistics } = await waitFor(
    async () => {
      const answer = await deliveries<{
        statistics: {
          received?: string;
          receivedBytes: string;
          branches: { storedMessages: string; firstTime: string; lastTime: string }[];
          rejected?: string;
          rejectedCalls?: string;
          lastRejectedTime?: string;
          sinks: {
            sink: string;
            status: {
              counts: Record<string, string>;
              deliveredBytes: string;
              firstDeliveredTime: string;
              lastDeliveredTime: string;
            };
          }[];
        };
      }>("GetStreamStatistics", { name: stream });
      const { received, rejectedCalls } = answer.statistics;
      return received === "10" && rejectedCalls === String(rejected.calls) ? answer : undefined;
    },
    { what: "the count of what came" },
  );
  expect(Number(statistics.receivedBytes)).toBe(10 * '{"n":0}'.length);
  expect(statistics.branches).toHaveLength(1);
  expect(Date.parse(statistics.branches[0]!.firstTime)).toBeLessThanOrEqual(Date.now());
  expect(statistics.sinks).toMatchObject([{ sink: name, status: { counts: { held: "1" } } }]);
  expect(statistics.rejected).toBe(String(rejected.records));
  expect(Date.parse(statistics.lastRejectedTime!)).toBeGreaterThan(Date.now() - 600_000);
  const { deliveredBytes, firstDeliveredTime, lastDeliveredTime } = statistics.sinks[0]!.status;
  expect(Number(deliveredBytes)).toBe(4 * '{"n":0}'.length);
  expect(Date.parse(firstDeliveredTime)).toBeLessThanOrEqual(Date.parse(lastDeliveredTime));

  // A held record that is replayed is delivered with its bytes.
  receiver.mode = { kind: "ok" };
  await call(server, "management.v1.SinkService/ReplayHeldRecords", { name });
  const again = await waitFor(
    async () => {
      const answer = await deliveries<{
        statistics: { sinks: { status: { counts: { held?: string }; deliveredBytes: string } }[] };
      }>("GetStreamStatistics", { name: stream });
      const [{ status } = { status: undefined }] = answer.statistics.sinks;
      return (status?.counts.held ?? "0") === "0" ? status : undefined;
    },
    { what: "the held record delivered" },
  );
  expect(Number(again!.deliveredBytes)).toBe(5 * '{"n":0}'.length);
});

/** Pushes by each way in what the stream refuses; gives how many calls and records that was. */
async function pushRefused(stream: string): Promise<{ calls: number; records: number }> {
  const values = (...all: unknown[]) => all.map((n) => ({ value: { n } }));
  const refusals = [
    // Read with the schema at hand, and before it is known.
    call(server, "push.v1.PushService/Push", { stream, records: values(1, "a", 3) }),
    call(server, "push.v1.PushService/Push", { records: values(1, 2, 3, "a"), stream }),
    call(server, "push.v1.PushService/Push", { stream, records: values(1), branch: "no-such" }),
  ];
  for (const refusal of refusals) await expect(refusal).rejects.toThrow();
  return { calls: 3, records: 8 };
}
