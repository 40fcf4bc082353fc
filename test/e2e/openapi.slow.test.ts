import { afterAll, beforeAll, expect, test } from "vitest";
import { judgeByOpenApi } from "../support/schemathesis.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

test("K02: answers to good and bad calls of every REST path are what the OpenAPI document says", async () => {
  const token = await server.token();
  const { isGreen, report } = await judgeByOpenApi(server.url, { token, examples: 2 });
  expect(isGreen, report).toBe(true);
  const [, selected, all] = /Selected: (\d+)\/(\d+)/.exec(report) ?? [];
  expect(Number(selected)).toBeGreaterThan(100);
  expect(selected).toBe(all);
  expect(report).toContain(`Tested: ${selected}`);
}, 600_000);
