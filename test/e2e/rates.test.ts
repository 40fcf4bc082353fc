import { afterAll, beforeAll, expect, test } from "vitest";
import { type ErrorBody, push, reasonIn } from "../support/api.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer({ env: { TRIBUTARY_RATE_PUSH: "5", TRIBUTARY_RATE_TOKEN: "20" } });
});
afterAll(() => server?.close());

const record = { sensor_id: "a", temperature: 1, created_at: "2026-01-31T00:00:00Z" };

test("a caller with too many pushes a second is told what is left, and then gets 429 with Retry-After", async () => {
  const { STREAM = "" } = server.env;
  const answers = await Promise.all(
    Array.from({ length: 12 }, () => push(server, STREAM, [record])),
  );
  const accepted = answers.filter((answer) => answer.status === 200);
  const refused = answers.filter((answer) => answer.status === 429);
  expect(accepted.length).toBeGreaterThanOrEqual(5);
  expect(refused.length).toBeGreaterThan(0);
  expect(accepted[0]?.headers.get("ratelimit-policy")).toBe('"caller";q=5;w=1');
  expect(accepted[0]?.headers.get("ratelimit")).toMatch(/^"caller";r=\d;t=1$/);
  expect(refused[0]?.headers.get("ratelimit")).toMatch(/^"caller";r=0;t=\d$/);
  expect(refused[0]?.headers.get("retry-after")).toBe("1");
  expect(reasonIn((await refused[0]!.json()) as ErrorBody)).toBe("RATE_EXCEEDED");
});

test("check 24: the ways of signing in share one limit by address, those by an external provider too", async () => {
  const paths = ["/auth/oidc/start", "/auth/oidc/callback?code=x&state=y", "/v1/account:signIn"];
  const left: number[] = [];
  for (const path of paths) {
    const method = path.startsWith("/v1/") ? "POST" : "GET";
    const answer = await fetch(server.url + path, {
      method,
      redirect: "manual",
      ...(method === "POST" && {
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ email: "nobody@example.com", password: "not the password" }),
      }),
    });
    expect(answer.headers.get("ratelimit-policy")).toBe('"sign-in";q=300;w=60');
    left.push(Number(/r=(\d+)/.exec(answer.headers.get("ratelimit") ?? "")?.[1]));
    await answer.body?.cancel();
  }
  expect(left).toEqual([299, 298, 297]);
});

test("check 24: an address gets 20 calls of the token route a minute here, and then 429, right secret or wrong", async () => {
  const ask = () =>
    fetch(`${server.url}/oauth2/token`, {
      method: "POST",
      headers: {
        authorization: `Basic ${btoa(`${server.env.CLIENT_ID}:${server.env.CLIENT_SECRET}`)}`,
      },
      body: new URLSearchParams({ grant_type: "client_credentials" }),
    });
  let answer = await ask();
  expect(answer.headers.get("ratelimit-policy")).toBe('"token";q=20;w=60');
  for (let i = 0; i < 25 && answer.status === 200; i++) answer = await ask();
  expect(answer.status).toBe(429);
  expect(Number(answer.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  expect(await answer.json()).toMatchObject({ error: "temporarily_unavailable" });
});
