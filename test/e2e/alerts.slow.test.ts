import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, countsOf, createSink, createStream, getSink, push } from "../support/api.ts";
import { type MailServer, startMailServer } from "../support/mail-server.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

interface Alert {
  name: string;
  kind: string;
  sink: string;
  reason: string;
  message: string;
  endTime?: string;
  mailCount?: number;
  webhookTime?: string;
  webhookAttempts?: number;
}

let server: TestServer;
let mails: MailServer;
let told: Receiver;
let target: Receiver;
let secret = "";

const name = "projects/demo/alertSettings";
const alertsCall = <T>(method: string, request: unknown) =>
  call<T>(server, `management.v1.AlertService/${method}`, request);
const listAlerts = async (resource: string) => {
  const request = { parent: "projects/demo", resource };
  return (await alertsCall<{ alerts?: Alert[] }>("ListAlerts", request)).alerts ?? [];
};
const alertOf = (sink: string, kind: string, isReady: (alert: Alert) => boolean = () => true) =>
  waitFor(
    async () => (await listAlerts(sink)).find((alert) => alert.kind === kind && isReady(alert)),
    { timeoutMs: 30_000, what: `an alert of kind ${kind}` },
  );
const isTold = ({ mailCount, webhookTime }: Alert) => mailCount === 1 && Boolean(webhookTime);
const SUBJECT = /^Subject: ([^\r\n]*(?:\r\n [^\r\n]*)*)/m;
const subjects = () =>
  mails.mails.map(({ source }) => (SUBJECT.exec(source)?.[1] ?? "").replace(/\r\n /g, " "));

beforeAll(async () => {
  mails = await startMailServer();
  told = await startReceiver();
  target = await startReceiver();
  server = await startServer({
    env: { SMTP_URL: `smtp://127.0.0.1:${mails.port}?from=tributary@example.org` },
  });
  const { signingSecret } = await alertsCall<{ signingSecret: string }>("UpdateAlertSettings", {
    settings: { name, recipients: ["ada@example.com"], webhookUrl: told.url },
  });
  secret = signingSecret;
});
afterAll(async () => {
  await server?.close();
  await Promise.all([mails?.close(), told?.close(), target?.close()]);
});

test("B07: a test tells the recipients and the webhook, whose secret is shown once", async () => {
  expect(secret).toMatch(/^whsec_/);
  const { settings } = await alertsCall<{ settings: Record<string, unknown> }>("GetAlertSettings", {
    name,
  });
  expect(settings).toMatchObject({ recipients: ["ada@example.com"], webhookUrl: told.url });
  expect(JSON.stringify(settings)).not.toContain("whsec_");
  expect(await alertsCall("TestAlerts", { name })).toEqual({ mailCount: 1, webhookStatus: 200 });
  const request = told.requests.at(-1)!;
  new Webhook(secret).verify(request.text, request.headers as Record<string, string>);
  expect(JSON.parse(request.text)).toMatchObject({ type: "test" });
  await waitFor(() => subjects().some((s) => s.includes("test of alerts")), { what: "the mail" });
});

test("B07: a sink that only fails is an ERROR after its time, tells its owner once, keeps everything, and tells its recovery", async () => {
  target.mode = { kind: "status", status: 503 };
  const stream = await createStream(server, "broken", { fields: { n: "LONG" } });
  const sink = await createSink(server, stream, {
    id: "hook",
    webhook: { url: target.url },
    retry: { schedule: ["0.5s"], errorAfter: "2s" },
  });
  await push(server, stream, [{ n: 1 }, { n: 2 }]);
  await waitFor(async () => (await getSink(server, sink.name)).status?.cause, { what: "a cause" });
  expect((await getSink(server, sink.name)).status?.state).not.toBe("ERROR");
  const alert = await alertOf(sink.name, "ERROR", isTold);
  expect(alert).toMatchObject({ reason: "HTTP_503", sink: sink.name });
  expect((await getSink(server, sink.name)).status?.state).toBe("ERROR");
  expect(await countsOf(server, sink.name)).toMatchObject({ delivered: 0, pending: 2, expired: 0 });

  target.mode = { kind: "ok" };
  await alertOf(sink.name, "RECOVERED", isTold);
  expect(await countsOf(server, sink.name)).toMatchObject({ delivered: 2, pending: 0 });
  expect((await alertOf(sink.name, "ERROR")).endTime).toBeDefined();
  expect((await listAlerts(sink.name)).map(({ kind }) => kind)).toEqual(["RECOVERED", "ERROR"]);
  await waitFor(() => subjects().filter((s) => s.includes("broken")).length === 2, {
    what: "one mail for each of both",
  });
  const bodies = told.requests.map(({ text }) => JSON.parse(text) as { type: string });
  expect(bodies.map(({ type }) => type)).toEqual(["test", "sink.error", "sink.recovered"]);
});

test("B07: records that are held are told once, however many follow, and the alert ends when they are discarded", async () => {
  target.mode = { kind: "refuse", isBad: ({ n }) => Number(n) < 0 };
  const stream = await createStream(server, "refused", { fields: { n: "LONG" } });
  const sink = await createSink(server, stream, { id: "hook", webhook: { url: target.url } });
  await push(server, stream, [{ n: -1 }]);
  expect(await alertOf(sink.name, "HELD", isTold)).toMatchObject({ reason: "RECORDS_HELD" });
  await push(server, stream, [{ n: -2 }]);
  await waitFor(async () => (await countsOf(server, sink.name)).held === 2, { what: "two held" });
  await call(server, "management.v1.SinkService/DiscardHeldRecords", { name: sink.name });
  await alertOf(sink.name, "HELD", ({ endTime }) => endTime !== undefined);
  expect(await listAlerts(sink.name)).toHaveLength(1);
});

test("B11: a sink that is later than its lag_warning tells its owner, and the alert ends when it has caught up", async () => {
  target.mode = { kind: "status", status: 503 };
  const stream = await createStream(server, "late", { fields: { n: "LONG" } });
  const sink = await createSink(server, stream, {
    id: "hook",
    webhook: { url: target.url },
    retry: { schedule: ["0.5s"] },
    lagWarning: "1s",
  });
  await push(server, stream, [{ n: 1 }]);
  const alert = await alertOf(sink.name, "LAG", isTold);
  expect(alert).toMatchObject({ reason: "LAG_EXCEEDED" });
  expect(alert.message).toContain("1 record waits, the oldest for ");
  target.mode = { kind: "ok" };
  await alertOf(sink.name, "LAG", ({ endTime }) => endTime !== undefined);
  expect(subjects().filter((each) => each.includes("a sink is late"))).toHaveLength(1);
});

test("N16: a paused sink says when retention will take what it needs, and its owner hears of it before", async () => {
  target.mode = { kind: "ok" };
  const stream = await createStream(server, "clock", {
    fields: { text: "STRING" },
    retention: { age: "3600s", bytes: "1048576" },
  });
  const sink = await createSink(server, stream, { id: "hook", webhook: { url: target.url } });
  await call(server, "management.v1.SinkService/PauseSink", { name: sink.name });
  await push(
    server,
    stream,
    Array.from({ length: 8 }, () => ({ text: "x".repeat(50_000) })),
  );
  const alert = await alertOf(sink.name, "LOSS", isTold);
  expect(alert.message).toMatch(/8 records wait .* retention bytes/);
  const { status } = await getSink(server, sink.name);
  const loss = (status as { loss?: { time: string; limit: string; pending: string } }).loss;
  expect(loss).toMatchObject({ limit: "BYTES", pending: "8" });
  expect(Date.parse(loss!.time)).toBeLessThan(Date.now() + 3_600_000);
  await call(server, "management.v1.SinkService/ResumeSink", { name: sink.name });
  await alertOf(sink.name, "LOSS", ({ endTime }) => endTime !== undefined);
  expect((await getSink(server, sink.name)).status).not.toHaveProperty("loss");
});

test("B07: an address that sinks may not reach is refused, with the field", async () => {
  const settings = { name, webhookUrl: "http://169.254.169.254/latest" };
  const refused = await alertsCall("UpdateAlertSettings", { settings }).catch(String);
  expect(refused).toMatch(/settings\.webhook_url/);
});
