import { afterAll, beforeAll, expect, test } from "vitest";
import { call, countsOf, createSink, createStream, getSink, push } from "../support/api.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

interface Held {
  place: string;
  reason: string;
  error: string;
  sinkVersion: string;
  value: Record<string, unknown>;
  holdTime: string;
  replay?: { count: number; requestId: string; firstHoldTime: string; firstReason: string };
}
interface Row {
  outcome: string;
  json?: string;
  error?: string;
}
interface Preview {
  records?: {
    record: Held;
    input: string;
    before?: Row;
    after: Row;
    changed?: boolean;
    sinkVersion: string;
  }[];
  sentCount?: number;
  heldCount?: number;
  changedCount?: number;
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

const sinks = <T>(method: string, request: unknown) =>
  call<T>(server, `management.v1.SinkService/${method}`, request);
const listHeld = async (parent: string, more: Record<string, unknown> = {}) =>
  (await sinks<{ heldRecords?: Held[] }>("ListHeldRecords", { parent, ...more })).heldRecords ?? [];
const heldOf = (name: string, count: number) =>
  waitFor(async () => (await countsOf(server, name)).held === count, { what: `${count} held` });
const column = (type: string) => ({ columns: [{ name: "n", type, path: { path: "n" } }] });

test("held records are filtered by reason, looked at with what each version makes of them, and replayed by reason after a fix", async () => {
  receiver.mode = { kind: "refuse", isBad: ({ n }) => n === 13 };
  const stream = await createStream(server, "held", { fields: { n: "JSON" } });
  const { name } = await createSink(server, stream, {
    id: "hook",
    webhook: { url: receiver.url },
    mapping: column("LONG"),
  });
  await push(server, stream, [{ n: 1 }, { n: "two" }, { n: 13 }, { n: "four" }]);
  await heldOf(name, 3);
  const reasons = (await listHeld(name)).map(({ reason }) => reason);
  expect(reasons.sort()).toEqual(["HTTP_422", "MAPPING_FAILED", "MAPPING_FAILED"]);
  const [refused, ...none] = await listHeld(name, { reason: "HTTP_422" });
  expect(none).toEqual([]);
  expect(refused).toMatchObject({ value: { n: 13 }, sinkVersion: "1" });

  const look = await sinks<Preview>("PreviewHeldRecords", {
    name,
    reason: "MAPPING_FAILED",
    mapping: column("STRING"),
  });
  expect(look).toMatchObject({ sentCount: 2, changedCount: 2 });
  expect(look.heldCount ?? 0).toBe(0);
  expect(look.records![0]).toMatchObject({
    record: { reason: "MAPPING_FAILED" },
    input: '{"n":"four"}',
    before: { outcome: "HELD", error: expect.stringMatching(/n/) as string },
    after: { outcome: "SENT", json: '{"n":"four"}' },
    changed: true,
  });
  const saved = await sinks<Preview>("PreviewHeldRecords", { name });
  expect(saved).toMatchObject({ sentCount: 1, heldCount: 2 });
  expect(saved.changedCount ?? 0).toBe(0);

  const { etag } = await getSink(server, name);
  await sinks("UpdateSink", {
    sink: { name, etag, mapping: column("STRING") },
    updateMask: "mapping",
  });
  const replayed = await sinks("ReplayHeldRecords", { name, reason: "MAPPING_FAILED" });
  expect(replayed).toEqual({ count: "2" });
  expect(receiver.accepted().map(({ n }) => n)).toEqual([1, "two", "four"]);
  expect(await listHeld(name)).toHaveLength(1);
  // Refused again, for another reason: it says so, and leads to the attempt.
  receiver.mode = { kind: "status", status: 400 };
  for (const count of [1, 2]) {
    expect(await sinks("ReplayHeldRecords", { name, places: [refused!.place] })).toEqual({});
    const [again] = await listHeld(name, { reason: "HTTP_400" });
    expect(again?.replay).toMatchObject({
      ...{ count, firstReason: "HTTP_422", firstHoldTime: refused!.holdTime },
    });
    const of = { parent: name, requestId: again!.replay!.requestId };
    const method = "management.v1.DeliveryService/ListAttempts";
    const attempts = await waitFor(
      async () => {
        const page = await call<{ attempts?: { replay?: boolean }[] }>(server, method, of);
        return page.attempts?.length === count ? page.attempts : undefined;
      },
      { what: "the attempts of the replays" },
    );
    expect(attempts.every(({ replay }) => replay)).toBe(true);
  }
  expect(await sinks("ReplayHeldRecords", { name, reason: "MAPPING_FAILED" })).toEqual({});
  expect(await sinks("DiscardHeldRecords", { name, places: [refused!.place] })).toEqual({
    count: "1",
  });
  expect(await countsOf(server, name)).toMatchObject({ delivered: 3, discarded: 1, held: 0 });
  const { auditEvents } = await call<{ auditEvents: { method: string }[] }>(
    server,
    "management.v1.AuditService/ListAuditEvents",
    { parent: "projects/demo", pageSize: 10 },
  );
  expect(auditEvents.map(({ method }) => method)).toContain(
    "tributary.management.v1.SinkService/DiscardHeldRecords",
  );
});

test("N05: a key that waits is listed with what it waits for, and goes on by a skip while others never waited", async () => {
  receiver.mode = { kind: "refuse", isBad: ({ n }) => n === -1 };
  const stream = await createStream(server, "parked", {
    fields: { k: "STRING", n: "LONG" },
    keyFields: ["k"],
  });
  const { name } = await createSink(server, stream, {
    id: "hook",
    webhook: { url: receiver.url },
    onRecordFailure: "BLOCK_KEY",
  });
  await push(server, stream, [{ k: "a", n: -1 }]);
  await heldOf(name, 1);
  await push(server, stream, [
    { k: "a", n: 101 },
    { k: "b", n: 102 },
    { k: "a", n: 103 },
  ]);
  const ofTest = () =>
    receiver.accepted().flatMap(({ n }) => (Number(n) > 100 && Number(n) < 110 ? [n] : []));
  await waitFor(() => ofTest().includes(102), { what: "the other key" });
  const list = () =>
    call<{ parkedKeys?: { heldPlaces: string[]; firstPlace: string }[]; totalCount?: number }>(
      server,
      "management.v1.DeliveryService/ListParkedKeys",
      { parent: name },
    );
  const { parkedKeys, totalCount } = await list();
  expect(totalCount).toBe(1);
  const [held] = await listHeld(name);
  expect(parkedKeys![0]!.heldPlaces).toEqual([held!.place]);
  expect(ofTest()).toEqual([102]);
  await sinks("DiscardHeldRecords", { name, places: parkedKeys![0]!.heldPlaces });
  await waitFor(() => ofTest().length === 3, { what: "the key that waited" });
  expect(ofTest()).toEqual([102, 101, 103]);
  await waitFor(async () => !(await list()).totalCount, { what: "no parked key" });
});
