import { createRequire } from "node:module";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, countsOf, createSink } from "../support/api.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";
import { connect } from "../support/table.ts";

const webhooks = createRequire(import.meta.url)("@octokit/webhooks-examples") as {
  name: string;
  examples: object[];
}[];

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

const column = (name: string, value: object, more: object = {}) => ({ name, ...value, ...more });
const template = (name: string, content: string, more: object = {}) =>
  column(name, { template: { language: "jsonnet", content } }, more);

/** A stream of whole requests with a source that anybody may send to; gives the address. */
async function requestStream(id: string): Promise<{ stream: string; url: string }> {
  const { stream } = await call<{ stream: { name: string } }>(
    server,
    "management.v1.StreamService/CreateStream",
    { parent: "projects/demo", streamId: id, stream: { schema: { preset: "HTTP_REQUEST" } } },
  );
  const { url } = await call<{ url: string }>(server, "management.v1.SourceService/CreateSource", {
    parent: stream.name,
    sourceId: "hooks",
    source: { mode: "REQUEST", none: { acknowledged: true }, keepHeaders: true },
  });
  return { stream: stream.name, url };
}

test("K05 to K12: GitHub's example payloads through a source of whole requests, ten columns into Postgres", async () => {
  const { stream, url } = await requestStream("github-raw");
  const sink = await createSink(server, stream, {
    id: "table",
    postgres: { table: "github_rows" },
    mapping: {
      columns: [
        column("id", { id: {} }, { primaryKey: true }),
        column("received", { datetime: {} }),
        column("ip", { ip: {} }),
        column("body", { body: {} }),
        column("headers", { headers: {} }),
        column("action", { path: { path: "action", default: "none" } }, { type: "STRING" }),
        column("repository", { path: { path: "repository.full_name", default: null } }),
        column(
          "first_label",
          { path: { path: "issue.labels[0].name", default: "" } },
          { type: "STRING" },
        ),
        template("event", "Header('X-GitHub-Event')", { type: "STRING" }),
        template(
          "summary",
          "{ keys: std.length(std.objectFields(Body())), sender: Body('sender.login', 'nobody'), day: Now('%Y-%m-%d') }",
        ),
      ],
    },
  });
  const payloads = webhooks.flatMap(({ name, examples }) =>
    examples.map((payload) => ({ name, payload: payload as Record<string, never> })),
  );
  for (let at = 0; at < payloads.length; at += 32) {
    await Promise.all(
      payloads.slice(at, at + 32).map(async ({ name, payload }) => {
        const answer = await fetch(url, {
          method: "POST",
          headers: { "content-type": "application/json", "x-github-event": name },
          body: JSON.stringify(payload),
        });
        expect(answer.status, await answer.text()).toBe(200);
      }),
    );
  }
  await waitFor(async () => (await countsOf(server, sink.name)).delivered === payloads.length, {
    what: "all payloads in the table",
    timeoutMs: 30_000,
  });
  const sql = connect(server.env.SINK_DATABASE_URL ?? "");
  try {
    const rows = await sql`SELECT * FROM github_rows`;
    const wanted = new Map(
      payloads.map(({ name, payload }) => [name + JSON.stringify(payload), payload]),
    );
    expect(rows.length).toBe(payloads.length);
    for (const row of rows) {
      const payload = wanted.get(row.event + row.body) as never as {
        action?: string;
        repository?: { full_name: string };
        issue?: { labels?: { name: string }[] };
        sender?: { login: string };
      };
      expect(payload).toBeDefined();
      expect(row).toMatchObject({
        ip: "127.0.0.1",
        action: payload.action ?? "none",
        repository: payload.repository?.full_name ?? null,
        first_label: payload.issue?.labels?.[0]?.name ?? "",
      });
      expect(row.summary).toMatchObject({
        keys: Object.keys(payload).length,
        sender: payload.sender?.login ?? "nobody",
        day: new Date().toISOString().slice(0, 10),
      });
      expect(row.headers).toMatchObject({ "X-Github-Event": row.event });
    }
  } finally {
    await sql.end();
  }
});

test("64 requests at once never mix: no value of one request is in the row of another", async () => {
  const { stream, url } = await requestStream("mixed");
  const sink = await createSink(server, stream, {
    id: "table",
    postgres: { table: "mixed_rows" },
    mapping: {
      columns: [
        column("path_n", { path: { path: "n" } }),
        template("body_n", "Body('n')"),
        template("header_n", "Header('x-n')"),
        template("text", "BodyStr()", { type: "STRING" }),
        template("headers", "HeaderStr()", { type: "STRING" }),
      ],
    },
  });
  const send = async (n: number) => {
    const form = n % 3 === 0;
    const answer = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": form ? "application/x-www-form-urlencoded" : "application/json",
        "x-n": String(n),
      },
      body: form ? `n=${n}&pad=${"p".repeat(n)}` : JSON.stringify({ n, pad: "p".repeat(n) }),
    });
    expect(answer.status, await answer.text()).toBe(200);
  };
  let next = 0;
  const lane = async () => {
    for (let n = next++; n < 1_024; n = next++) await send(n);
  };
  await Promise.all(Array.from({ length: 64 }, lane));
  await waitFor(async () => (await countsOf(server, sink.name)).delivered === 1_024, {
    what: "all requests in the table",
    timeoutMs: 30_000,
  });
  const sql = connect(server.env.SINK_DATABASE_URL ?? "");
  try {
    const rows = await sql`SELECT * FROM mixed_rows`;
    const seen = new Set<number>();
    for (const row of rows) {
      const n = Number(row.path_n);
      seen.add(n);
      expect(Number(row.body_n)).toBe(n);
      expect(row.header_n).toBe(String(n));
      expect(row.headers).toContain(`X-N: ${n}\n`);
      expect(row.text).toBe(
        n % 3 === 0 ? `n=${n}&pad=${"p".repeat(n)}` : JSON.stringify({ n, pad: "p".repeat(n) }),
      );
    }
    expect(seen.size).toBe(1_024);
  } finally {
    await sql.end();
  }
});
