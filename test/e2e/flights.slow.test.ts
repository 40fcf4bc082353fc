import { afterAll, beforeAll, expect, test } from "vitest";
import {
  digestFlights,
  digestReceiver,
  digestTable,
  openFlights,
  pushByClient,
  pushByCurl,
  readFlights,
} from "../support/flights.ts";
import { startReceiver } from "../support/receiver.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

test.each([
  ["the generated client over gRPC", "flights_grpc", pushByClient],
  ["curl as NDJSON", "flights_curl", pushByCurl],
] as const)(
  "all 231,083 flights pushed by %s are in table and webhook, each key in order",
  async (_, id, pushFlights) => {
    const flights = await readFlights();
    expect(flights).toHaveLength(231_083);
    const receiver = await startReceiver();
    const { stream, sql } = await openFlights(server, id, receiver);
    try {
      await pushFlights(server, stream, flights);
      const wanted = digestFlights(flights);
      const limits = { count: flights.length, timeoutMs: 120_000 };
      expect(await digestTable(sql, id, limits)).toEqual(wanted);
      expect(await digestReceiver(receiver, limits)).toEqual(wanted);
      expect(receiver.faults).toEqual([]);
    } finally {
      await Promise.all([sql.end(), receiver.close()]);
    }
  },
  300_000,
);
