import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, countsOf, createSink, createStream, getSink, push } from "../support/api.ts";
import { flipBit } from "../support/faults/bit-flip.ts";
import { type MailServer, startMailServer } from "../support/mail-server.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

interface Loss {
  message: string;
  batches?: string;
  findTime: string;
}
interface Alert {
  kind: string;
  message: string;
  mailCount?: number;
  webhookTime?: string;
}

let server: TestServer;
let mails: MailServer;
let told: Receiver;

const env = () => ({ SMTP_URL: `smtp://127.0.0.1:${mails.port}?from=tributary@example.org` });

beforeAll(async () => {
  [mails, told] = await Promise.all([startMailServer(), startReceiver()]);
  server = await startServer({ env: env() });
});
afterAll(async () => {
  await server?.close();
  await Promise.all([mails?.close(), told?.close()]);
});

test("records that a damaged disk has taken are told by mail and webhook, and stand at branch, sink and statistics, though all were delivered", async () => {
  const name = "projects/demo/alertSettings";
  await call(server, "management.v1.AlertService/UpdateAlertSettings", {
    settings: { name, recipients: ["ada@example.com"], webhookUrl: told.url },
  });
  const stream = await createStream(server, "flipped", { fields: { n: "LONG", note: "STRING" } });
  const sink = await createSink(server, stream, { id: "f", file: { directory: "f" } });
  const note = "x".repeat(2_000);
  for (let n = 0; n < 200; n++) await push(server, stream, [{ n, note }]);
  await waitFor(async () => (await countsOf(server, sink.name)).delivered === 200, {
    what: "all to be delivered",
    timeoutMs: 60_000,
  });
  const { dataDir } = server;
  await server.stop("SIGTERM");
  await flipBit(join(dataDir, "nats"));
  server = await startServer({ dataDir, env: env() });

  const branch = () =>
    call<{ branch: { losses?: Loss[] } }>(server, "management.v1.StreamService/GetBranch", {
      name: `${stream}/branches/main`,
    });
  const losses = await waitFor(async () => (await branch()).branch.losses, {
    timeoutMs: 60_000,
    what: "the loss to be noticed",
  });
  expect(losses[0]!.message).toMatch(/missing, and nobody removed them: /);
  const status = async () =>
    (await getSink(server, sink.name)).status as unknown as { logLosses?: Loss[] };
  await waitFor(async () => (await status()).logLosses?.length, {
    timeoutMs: 60_000,
    what: "the sink to say so",
  });
  const method = "management.v1.DeliveryService/GetStreamStatistics";
  const { statistics } = await call<{ statistics: { branches: { losses?: Loss[] }[] } }>(
    ...[server, method, { name: stream }],
  );
  expect(statistics.branches[0]!.losses).toEqual(losses);
  const alert = await waitFor(
    async () => {
      const request = { parent: "projects/demo", resource: sink.name };
      const page = await call<{ alerts?: Alert[] }>(
        ...[server, "management.v1.AlertService/ListAlerts", request],
      );
      const isTold = ({ kind, mailCount, webhookTime }: Alert) =>
        kind === "MISSING" && mailCount === 1 && webhookTime;
      return page.alerts?.find(isTold);
    },
    { timeoutMs: 60_000, what: "the alert to be told" },
  );
  expect(alert.message).toBe(losses[0]!.message);
  expect(told.requests.map(({ text }) => text).join()).toContain("sink.records_missing");
}, 240_000);
