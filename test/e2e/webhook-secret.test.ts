import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, createSink, createStream, getSink, push } from "../support/api.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

let server: TestServer;
const received: { headers: IncomingHttpHeaders; body: string }[] = [];
const receiver = createServer((request, response) => {
  let body = "";
  request.on("data", (chunk: Buffer) => {
    body += chunk.toString();
  });
  request.on("end", () => {
    received.push({ headers: request.headers, body });
    response.writeHead(204).end();
  });
});

beforeAll(async () => {
  server = await startServer();
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  await server?.close();
  receiver.close();
});

test("check 13: a webhook's secret is rotated by one call, shown once, and both sign until the overlap ends, also after an update", async () => {
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
  const stream = await createStream(server, "rotated", { fields: { n: "LONG" } });
  const { name, webhook } = await createSink(server, stream, { id: "hook", webhook: { url } });
  const first = webhook?.signingSecret ?? "";
  expect(first).toMatch(/^whsec_/);
  const { signingSecret: second } = await call<{ signingSecret: string }>(
    server,
    "management.v1.SinkService/RotateSigningSecret",
    { name, overlap: "3600s" },
  );
  expect(second).toMatch(/^whsec_/);
  expect(second).not.toBe(first);
  const { etag, ...shown } = await getSink(server, name);
  expect(JSON.stringify(shown)).not.toContain("whsec_");
  await call(server, "management.v1.SinkService/UpdateSink", {
    sink: { name, etag, webhook: { url: `${url}new` } },
    updateMask: "webhook",
  });
  await push(server, stream, [{ n: 1 }]);
  const isRecord = (request: { body: string }) => request.body !== "[]";
  const { headers, body } = await waitFor(() => received.find(isRecord), { what: "the request" });
  for (const secret of [first, second]) {
    expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toEqual([{ n: 1 }]);
  }
});
