import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

test("the start prints address, data, demo and a command to paste, and keeps the secret in a private file", () => {
  const output = server.output();
  expect(output).toContain(server.url);
  expect(output).toContain("projects/demo/streams/sensors");
  expect(output).toContain(server.env.CLIENT_SECRET);
  expect(output).toMatch(/^ready/m);
  expect(statSync(join(server.dataDir, "demo.env")).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(server.dataDir, "demo.env"), "utf8")).toMatch(
    /^SINK_DATABASE_URL=postgres/m,
  );
});

test("N01, F01: a record pushed over REST is in the sink's table", async () => {
  const answer = await server.post(`/v1/${server.env.STREAM}/records`, [
    { value: { sensor_id: "bar4", temperature: 4.132, created_at: "2026-01-01T00:00:00Z" } },
  ]);
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({
    accepted: "1",
    firstPlace: expect.stringMatching(/^\d+-\d+$/),
  });
  const sql = postgres(server.env.SINK_DATABASE_URL ?? "", { max: 1, onnotice: () => {} });
  try {
    const row = await waitFor(
      async () => (await sql`select temperature from sensors where sensor_id = 'bar4'`)[0],
      { what: "the row" },
    );
    expect(row.temperature).toBe(4.132);
  } finally {
    await sql.end();
  }
});

test("F22: the record is read back from the log", async () => {
  const answer = await server.get(`/v1/${server.env.STREAM}/records`);
  expect(answer.status).toBe(200);
  const body = (await answer.json()) as { records: { value: unknown; id: string }[] };
  expect(body.records[0]?.value).toEqual({
    sensor_id: "bar4",
    temperature: 4.132,
    created_at: "2026-01-01T00:00:00Z",
  });
  expect(body.records[0]?.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
});

test("SIGTERM ends the server with exit code 0 inside 10 s", async () => {
  const startedAt = performance.now();
  expect(await server.stop()).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});
