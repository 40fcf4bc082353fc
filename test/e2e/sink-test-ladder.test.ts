import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SinkService } from "#gen/tributary/management/v1/sink_service_pb.js";
import { createStream, push } from "../support/api.ts";
import { clientOf, type TransportName } from "../support/clients.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let isSlow = false;
const receiver = createServer((request, response) => {
  request.resume().on("end", () => setTimeout(() => response.end(), isSlow ? 1_500 : 0));
});

beforeAll(async () => {
  server = await startServer();
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  receiver.closeAllConnections();
  receiver.close();
  await server?.close();
});

const urlOf = () => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;

async function climb(
  parent: string,
  sink: Record<string, unknown>,
  transport: TransportName = "gRPC over h2c",
) {
  const client = clientOf(SinkService, server, transport);
  const lines: { name: string; ok: boolean; message: string; atMs: number }[] = [];
  for await (const { stage } of client.watchSinkTest({ parent, sink })) {
    lines.push({ ...stage!, atMs: performance.now() });
  }
  return lines;
}
const webhook = (more: Record<string, unknown> = {}) => ({
  config: { case: "webhook", value: { url: urlOf() } },
  ...more,
});

test("N11, G20: each stage of a test is told when it ends, from the settings to a sample of the newest record", async () => {
  const parent = await createStream(server, "ladder", { fields: { n: "LONG" } });
  await push(server, parent, [{ n: 7 }]);
  isSlow = true;
  const lines = await climb(parent, webhook());
  isSlow = false;
  const stages = ["parse", "ownership", "resolve", "connect", "write", "sample"];
  expect(lines.map(({ name }) => name)).toEqual(stages);
  expect(lines.every(({ ok }) => ok)).toBe(true);
  expect(lines.at(-1)!.message).toBe('the newest record becomes {"n":7}');
  const at = Object.fromEntries(lines.map(({ name, atMs }) => [name, atMs]));
  expect(at.write! - at.connect!).toBeGreaterThan(1_000);
});

test("N11: settings that make no sense are the only line, and a server that is not there ends the ladder", async () => {
  const parent = await createStream(server, "ladder2", { fields: { n: "LONG" } });
  const bad = await climb(
    parent,
    webhook({ filter: { condition: { case: "cel", value: "record.n >" } } }),
    "Connect JSON over HTTP/1.1",
  );
  expect(bad.map(({ name, ok }) => ({ name, ok }))).toEqual([{ name: "parse", ok: false }]);
  const gone = { config: { case: "webhook", value: { url: "http://127.0.0.1:1/" } } };
  const lines = await climb(parent, gone);
  expect(lines.at(-1)).toMatchObject({ name: "connect", ok: false });
});

test("N11: a sample says that the newest record would be held, and why", async () => {
  const parent = await createStream(server, "ladder3", { fields: { n: "LONG" } });
  await push(server, parent, [{ n: 7 }]);
  const columns = [{ name: "k", value: { case: "path", value: { path: "missing" } } }];
  const lines = await climb(parent, webhook({ mapping: { columns } }));
  expect(lines.at(-1)).toMatchObject({ name: "sample", ok: false });
  expect(lines.at(-1)!.message).toMatch(/would be held: .*k/);
});
