import { afterAll, beforeAll, expect, test } from "vitest";
import { killDependencyUnderLoad } from "../support/faults/dependency-kill.ts";
import { report } from "../support/faults/outage.ts";
import { faultsOf } from "../support/history.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

test.each(["nats", "postgres"] as const)(
  "N03: the embedded %s killed with -9 15 times under load loses, doubles and reorders nothing",
  async (name) => {
    const result = await killDependencyUnderLoad(server, name, 15);
    report(`${name} killed 15 times`, { ...result, ...result.verdict, verdict: undefined });
    expect(result.surprises).toEqual([]);
    expect(faultsOf(result.verdict)).toEqual({});
    expect(Math.max(...result.recoveriesMs)).toBeLessThan(10_000);
  },
  600_000,
);
