import { createRequire } from "node:module";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createSink, createStream, listAll, push } from "../support/api.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";
import { connect, countRows } from "../support/table.ts";

const webhooks = createRequire(import.meta.url)("@octokit/webhooks-examples") as {
  name: string;
  examples: unknown[];
}[];

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

test("every example payload of GitHub's webhooks is read back equal, from the log and from the table", async () => {
  const records = webhooks.flatMap(({ name, examples }) =>
    examples.map((payload) => ({ event: name, payload })),
  );
  expect(records.length).toBeGreaterThan(300);
  const stream = await createStream(server, "github", {
    fields: { event: "STRING", payload: "JSON" },
  });
  await createSink(server, stream, { id: "table", postgres: { table: "github" } });
  for (let at = 0; at < records.length; at += 50) {
    const answer = await push(server, stream, records.slice(at, at + 50));
    expect(answer.status, await answer.clone().text()).toBe(200);
  }
  const listed = await listAll(server, stream);
  expect(listed.map((record) => record.value)).toEqual(records);

  const sql = connect(server.env.SINK_DATABASE_URL ?? "");
  try {
    await waitFor(async () => (await countRows(sql, "github").catch(() => 0)) >= records.length, {
      what: "all payloads in the table",
    });
    const rows = await sql<{ event: string; payload: unknown }[]>`
      SELECT event, payload FROM github`;
    const sorted = (items: readonly { event: string; payload: unknown }[]) =>
      items.map(({ event, payload }) => `${event} ${canonical(payload)}`).sort();
    expect(sorted([...rows])).toEqual(sorted(records));
  } finally {
    await sql.end();
  }
});

/** JSON with sorted members: jsonb keeps no order of them. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
