import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createStream, push } from "../support/api.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer({ env: { TRIBUTARY_WORKERS: "2" } });
}, 120_000);
afterAll(() => server?.close());

/** Process ids of the workers, from the kernel. */
function workers(): number[] {
  const pid = server.child.pid ?? 0;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  return children
    .map(Number)
    .filter((child) => readFileSync(`/proc/${child}/cmdline`, "utf8").includes("--as-worker"));
}

function isAlive(pid: number): boolean {
  try {
    // A zombie is not alive.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Connections that a process has taken, by its open sockets with our port. */
function acceptedBy(pid: number): number {
  const { port } = new URL(server.url);
  const hex = Number(port).toString(16).toUpperCase().padStart(4, "0");
  const own = new Set(
    readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`).match(/^socket:\[(\d+)\]$/)?.[1];
      } catch {
        return undefined;
      }
    }),
  );
  const established = readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(`:${hex}`) && state === "01");
  return established.filter((fields) => own.has(fields[9])).length;
}

test("two processes share the port: one banner, both take calls, and what one stores the other reads", async () => {
  expect(server.output().match(/^ready/gm)).toHaveLength(1);
  expect(server.output()).toContain("2 processes on this port");
  const [worker = 0] = workers();
  const stream = await createStream(server, "shared", { fields: { n: "LONG" } });
  // Each fetch side by side has a connection of its own, until both processes have some.
  let pushed = 0;
  await waitFor(
    async () => {
      const calls = Array.from({ length: 16 }, (_, i) => push(server, stream, [{ n: pushed + i }]));
      const answers = await Promise.all(calls);
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      pushed += calls.length;
      const taken = [server.child.pid ?? 0, worker].map(acceptedBy);
      return taken.every((count) => count > 0);
    },
    { what: "connections to both processes", timeoutMs: 60_000 },
  );
  const lists = await Promise.all(
    Array.from({ length: 16 }, async () => {
      const answer = await server.get(`/v1/${stream}/records?pageSize=1000`);
      return ((await answer.json()) as { records: unknown[] }).records.length;
    }),
  );
  expect(new Set(lists)).toEqual(new Set([pushed]));
}, 150_000);

test("a worker that is killed is started again", async () => {
  const [killed = 0] = workers();
  process.kill(killed, "SIGKILL");
  await waitFor(() => workers().some((pid) => pid !== killed), {
    what: "another worker",
    timeoutMs: 60_000,
  });
}, 150_000);

test("SIGTERM ends all of them with 0", async () => {
  const pids = workers();
  expect(await server.stop("SIGTERM")).toBe(0);
  expect(pids.filter(isAlive)).toEqual([]);
}, 60_000);

test("workers end when the first process is killed", async () => {
  server = await startServer({ dataDir: server.dataDir, env: { TRIBUTARY_WORKERS: "2" } });
  const pids = workers();
  expect(pids).toHaveLength(1);
  await server.stop("SIGKILL");
  await waitFor(() => !pids.some(isAlive), { what: "the worker to end", timeoutMs: 30_000 });
}, 150_000);
