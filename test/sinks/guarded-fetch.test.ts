import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createEgressGuard } from "../../src/sinks/egress.ts";
import { createGuardedFetch } from "../../src/sinks/guarded-fetch.ts";

const closed = { isLoopbackAllowed: false, egressAllowList: [] };
const open = { ...closed, isLoopbackAllowed: true };
const get = { method: "GET", headers: {} };

async function useServer(
  listener: RequestListener,
): Promise<{ port: number; count: () => number }> {
  let count = 0;
  const server = createServer((request, response) => {
    count += 1;
    listener(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, count: () => count };
}

test.each([
  "127.0.0.1",
  "2130706433",
  "0x7f.1",
  "017700000001",
  "[::ffff:127.0.0.1]",
  "0",
  "localhost",
])(
  "check 27: what the server asks for itself never goes to %s unless the operator allows it",
  async (host) => {
    const { port, count } = await useServer((_, response) => response.end("inward"));
    const fetchGuarded = createGuardedFetch(createEgressGuard(closed));
    await expect(fetchGuarded(`http://${host}:${port}/keys`, get)).rejects.toMatchObject({
      reason: "ADDRESS_REFUSED",
    });
    expect(count()).toBe(0);
  },
);

test("check 26: no redirect is followed", async () => {
  const inner = await useServer((_, response) => response.end("secret"));
  const outer = await useServer((_, response) => {
    response.writeHead(302, { location: `http://127.0.0.1:${inner.port}/` }).end();
  });
  const answer = await createGuardedFetch(createEgressGuard(open))(
    `http://127.0.0.1:${outer.port}/`,
    get,
  );
  expect(answer.status).toBe(302);
  expect(inner.count()).toBe(0);
});

test("check 26: no proxy of the environment is used", async () => {
  const proxy = await useServer((_, response) => response.end("from the proxy"));
  const server = await useServer((_, response) => response.end("from the server"));
  const before = process.env.http_proxy;
  process.env.http_proxy = `http://127.0.0.1:${proxy.port}`;
  onTestFinished(() => {
    if (before === undefined) delete process.env.http_proxy;
    else process.env.http_proxy = before;
  });
  const answer = await createGuardedFetch(createEgressGuard(open))(
    `http://127.0.0.1:${server.port}/`,
    get,
  );
  expect(await answer.text()).toBe("from the server");
  expect(proxy.count()).toBe(0);
});

test("check 26: an answer above 64 KiB, and one that never ends, are cut", async () => {
  const long = await useServer((_, response) => response.end("x".repeat(64 * 1024 + 1)));
  const fetchGuarded = createGuardedFetch(createEgressGuard(open));
  await expect(fetchGuarded(`http://127.0.0.1:${long.port}/`, get)).rejects.toThrow("65536 bytes");
  const slow = await useServer((_, response) => {
    response.write("{");
  });
  const signal = AbortSignal.timeout(200);
  const slowly = fetchGuarded(`http://127.0.0.1:${slow.port}/`, { ...get, signal });
  await expect(slowly).rejects.toThrow();
});

test("check 26: a name that alternates between outward and inward never connects inward, in 1,000 tries", async () => {
  const { port, count } = await useServer((_, response) => response.end("inward"));
  const codes = new Set<string>();
  let turn = 0;
  // The operator allows one address, where nothing listens; the server is at another.
  const policy = { ...closed, egressAllowList: ["127.0.0.2/32"] };
  const guard = createEgressGuard(policy, async () => [turn++ % 2 ? "127.0.0.1" : "127.0.0.2"]);
  const fetchGuarded = createGuardedFetch(guard);
  for (let i = 0; i < 1_000; i++) {
    await fetchGuarded(`http://rebind.example:${port}/`, get).catch((error) => {
      codes.add(error.reason ?? error.code);
    });
  }
  expect(turn).toBe(1_000);
  expect([...codes].sort()).toEqual(["ADDRESS_REFUSED", "ECONNREFUSED"]);
  expect(count()).toBe(0);
});

test("a good answer comes with status, headers and body", async () => {
  const { port } = await useServer((request, response) => {
    request.pipe(response.writeHead(201, { "x-a": ["1", "2"], "content-type": "text/plain" }));
  });
  const body = new URLSearchParams({ a: "b c" });
  const answer = await createGuardedFetch(createEgressGuard(open))(
    `http://127.0.0.1:${port}/token`,
    { method: "POST", headers: { "content-type": "text/plain" }, body },
  );
  expect([answer.status, answer.headers.get("x-a"), await answer.text()]).toEqual([
    201,
    "1, 2",
    "a=b+c",
  ]);
});

test("addresses with a user, and other protocols, are refused", async () => {
  const fetchGuarded = createGuardedFetch(createEgressGuard(open));
  for (const url of ["http://a:b@127.0.0.1/", "ftp://127.0.0.1/", "file:///etc/passwd"]) {
    await expect(fetchGuarded(url, get)).rejects.toMatchObject({ reason: "ADDRESS_REFUSED" });
  }
});
