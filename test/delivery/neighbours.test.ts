import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { sinkDrivers } from "../../src/sinks/index.ts";
import { waitFor } from "../support/wait-for.ts";
import { createWorld, ledger, log, sink, version } from "./test-engine.ts";
import { TestTarget } from "./test-target.ts";

const RATE = 2_000;
const SECONDS = 4;
const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers) server.closeAllConnections();
  await Promise.all(servers.splice(0).map((s) => new Promise((resolve) => s.close(resolve))));
});

async function listen(handler: Parameters<typeof createServer>[1]): Promise<string> {
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
}

test("D4: beside a webhook that hangs, another's p99 lag stays below 250 ms at 2,000 records/s", async () => {
  const lags: number[] = [];
  const healthy = await listen((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const nowMs = performance.now();
      const rows: { atMs: number }[] = JSON.parse(Buffer.concat(chunks).toString());
      for (const { atMs } of rows) lags.push(nowMs - atMs);
      response.writeHead(204).end();
    });
  });
  const hanging = await listen((request) => request.resume());
  const world = createWorld(new TestTarget());
  const to = (uid: string, url: string) =>
    sink({ uid, log: log("l"), versions: [version({ url, count: 100 })] });
  const [good, bad] = [to("good", healthy), to("bad", hanging)];
  world.definitions.set(good, bad);
  const engine = world.engine({ drivers: sinkDrivers });
  await engine.start();
  const startMs = performance.now();
  for (let sent = 0; sent < RATE * SECONDS; ) {
    const due = Math.min(RATE * SECONDS, ((performance.now() - startMs) / 1000) * RATE);
    for (; sent < due; sent += 10) {
      const records = Array.from({ length: 10 }, (_, i) => ({
        key: (sent + i) % 100,
        value: { n: sent + i, atMs: performance.now() },
      }));
      world.shard.append("l", records);
    }
    await delay(5);
  }
  await waitFor(() => lags.length >= RATE * SECONDS);
  lags.sort((a, b) => a - b);
  const at = (share: number) => Math.round(lags[Math.floor(lags.length * share)]!);
  process.stdout.write(
    `healthy sink: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(0.9999)} ms\n`,
  );
  expect(at(0.99)).toBeLessThan(250);
  expect((await ledger(engine, bad)).counts).toMatchObject({
    delivered: 0,
    pending: RATE * SECONDS,
  });
  for (const server of servers) server.closeAllConnections();
  await engine.close();
}, 30_000);
