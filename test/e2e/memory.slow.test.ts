/** What the process holds while 64 connections push as fast as they are answered. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { runLoad } from "../../bench/load/run-load.ts";
import { FIELDS, restBody } from "../../bench/records.ts";
import { createStream } from "../support/api.ts";
import { startServer, type TestServer } from "../support/server.ts";

const MIB = 1024 * 1024;
/** Calls of 1,000 reach about 345 MiB on a quiet machine. */
const BYTES_MAX = 400 * MIB;

let server: TestServer;
let stream: string;
beforeAll(async () => {
  server = await startServer({ env: { TRIBUTARY_RATE_TOKEN: "0" } });
  stream = await createStream(server, "memory", { fields: FIELDS, keyFields: ["sensor_id"] });
}, 120_000);
afterAll(() => server?.close(), 60_000);

test.for([1, 100, 1_000])(
  "64 connections with calls of %i leave the process below 400 MiB",
  { timeout: 60_000 },
  async (count) => {
    const { hostname, port } = new URL(server.url);
    const { calls, errors, firstError, peakBytes } = await runLoad(
      {
        protocol: "http1",
        host: hostname,
        port: Number(port),
        path: `/v1/${stream}/records`,
        headers: {
          authorization: `Bearer ${await server.token()}`,
          "content-type": "application/json",
        },
        bodies: [{ body: Buffer.from(restBody(count)).toString("base64") }],
        callers: 64,
        warmUpMs: 1_000,
        measureMs: 5_000,
      },
      [{ name: "node", pid: server.child.pid! }],
    );
    expect({ errors, firstError }).toEqual({ errors: 0, firstError: "" });
    expect(calls).toBeGreaterThan(0);
    expect(peakBytes.node).toBeGreaterThan(50 * MIB);
    expect(peakBytes.node).toBeLessThan(BYTES_MAX);
  },
);
