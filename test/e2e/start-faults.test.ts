import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { expect, onTestFinished, type TestContext, test } from "vitest";
import { startCluster } from "../support/cluster.ts";
import { startTestNats } from "../support/nats.ts";
import {
  launchServer,
  makeDataDir,
  removeData,
  type ServerOptions,
  startServer,
} from "../support/server.ts";

/** Starts a server that must refuse to; gives its words without those of progress, and its time. */
async function refusedStart(options: Partial<ServerOptions>) {
  const dataDir = options.dataDir ?? makeDataDir();
  const startedAt = performance.now();
  const launched = launchServer({ ...options, dataDir });
  const timer = setTimeout(() => launched.child.kill("SIGKILL"), 25_000);
  const code = await launched.exited;
  clearTimeout(timer);
  const seconds = (performance.now() - startedAt) / 1000;
  if (!options.dataDir) await removeData(dataDir);
  const lines = launched.output().trimEnd().split("\n");
  const progress = lines.filter((line) => line.startsWith("  "));
  const words = lines.filter((line) => !line.startsWith("  ") && !line.startsWith("{"));
  return { code, words, progress, output: launched.output(), seconds };
}

/** A port that takes connections and never says a word. */
async function openSilentPort({ onTestFinished }: TestContext): Promise<number> {
  const server = createServer(() => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

/** A port that nothing listens on. */
async function findClosedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test("a port in use is named, with what to do", async (context) => {
  const port = await openSilentPort(context);
  const { code, words } = await refusedStart({ port });
  expect(words).toEqual([expect.stringMatching(`^port ${port} on 127.0.0.1 is in use: .*PORT`)]);
  expect(code).toBe(1);
});

test("a data directory that cannot be made is named", async () => {
  const folder = dirname(makeDataDir());
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "a-file");
  writeFileSync(file, "");
  const dataDir = join(file, "data");
  const { code, words } = await refusedStart({ dataDir });
  expect(words).toEqual([expect.stringMatching(`^the data directory ${dataDir} cannot be used: `)]);
  expect(code).toBe(1);
});

test.concurrent.each([
  { url: (port: number) => `nats://someone:s3cret@127.0.0.1:${port}`, name: "NATS_URL" },
  { url: (port: number) => `postgres://someone:s3cret@127.0.0.1:${port}/db`, name: "DATABASE_URL" },
])("$name that nobody answers at is given up in time, named without its password", async (row) => {
  const port = await findClosedPort();
  const { code, words, output, progress, seconds } = await refusedStart({
    env: { [row.name]: row.url(port) },
  });
  expect(words).toEqual([
    expect.stringMatching(`127.0.0.1:${port} cannot be reached \\(.+\\): .*${row.name}$`),
  ]);
  expect(progress.join()).toMatch(/waiting for (nats-server|Postgres) at 127/);
  expect(output).not.toContain("s3cret");
  expect(code).toBe(1);
  expect(seconds).toBeLessThan(20);
});

test.concurrent("servers that take the connection and say nothing are given up in time too", async (context) => {
  const [one, two] = [await openSilentPort(context), await openSilentPort(context)];
  const NATS_URL = `nats://127.0.0.1:${one}`;
  const { code, words, seconds } = await refusedStart({
    env: { NATS_URL, DATABASE_URL: `postgres://a:s3cret@127.0.0.1:${two}/db` },
  });
  expect(words).toEqual([expect.stringMatching(/cannot be reached/)]);
  expect(code).toBe(1);
  expect(seconds).toBeLessThan(20);
});

test("a wrong password or database is said at once, without the password", async () => {
  const cluster = await startCluster();
  onTestFinished(() => cluster.close());
  const url = new URL(await cluster.postgres.createDatabase());
  url.pathname = "/nowhere";
  const env = { NATS_URL: cluster.nats.url, DATABASE_URL: url.href };
  const { code, words } = await refusedStart({ env });
  expect(words).toEqual([expect.stringMatching(/^Postgres refuses DATABASE_URL: .*nowhere/)]);
  expect(code).toBe(1);
});

test("a wrong password of nats-server is said at once, without it", async () => {
  const nats = await startTestNats({ config: "authorization { user: someone, password: right }" });
  onTestFinished(() => nats.close());
  const NATS_URL = nats.url.replace("//", "//someone:s3cret@");
  const { code, words, output } = await refusedStart({ env: { NATS_URL } });
  expect(words).toEqual(["nats-server refuses the user and password of NATS_URL"]);
  expect(output).not.toContain("s3cret");
  expect(code).toBe(1);
});

test("more copies than the cluster has nodes are refused in words", async () => {
  const cluster = await startCluster();
  onTestFinished(() => cluster.close());
  const env = {
    NATS_URL: cluster.nats.url,
    DATABASE_URL: await cluster.postgres.createDatabase(),
    TRIBUTARY_NATS_REPLICAS: "3",
  };
  const { code, words } = await refusedStart({ env });
  expect(words).toEqual([expect.stringMatching(/^nats-server refuses 8 streams with 3 copies/)]);
  expect(code).toBe(1);
});

test("the master key is never made anew or exchanged under secrets that need the old one", async () => {
  const first = await startServer();
  const { dataDir } = first;
  onTestFinished(() => removeData(dataDir));
  await first.stop();
  const file = join(dataDir, "master.key");
  renameSync(file, `${file}.kept`);
  const missing = await refusedStart({ dataDir });
  expect(missing.words).toEqual([expect.stringMatching(`^the master key is missing: .*${file}`)]);
  expect(missing.code).toBe(1);
  const other = Buffer.alloc(32, 7).toString("base64");
  const wrong = await refusedStart({ dataDir, env: { TRIBUTARY_MASTER_KEY: other } });
  expect(wrong.words).toEqual([expect.stringMatching("TRIBUTARY_MASTER_KEY is not the one")]);
  expect(wrong.output).not.toContain(other);
  writeFileSync(file, "too short\n");
  expect((await refusedStart({ dataDir })).words).toEqual([
    `${file} does not hold 32 bytes in base64`,
  ]);
  renameSync(`${file}.kept`, file);
  const again = await startServer({ dataDir });
  expect((await again.get(`/v1/${again.env.STREAM}`)).status).toBe(200);
  await again.stop();
}, 90_000);

test("a certificate that is not there is named", async () => {
  const env = { TRIBUTARY_TLS_CERT: "/nowhere/tls.crt", TRIBUTARY_TLS_KEY: "/nowhere/tls.key" };
  const { code, words } = await refusedStart({ env });
  expect(words).toEqual([expect.stringMatching(/^the TLS files .*\/nowhere\/tls\.crt/)]);
  expect(code).toBe(1);
});

test("a data directory that is no folder of ours, such as one that cannot be written, is named", async () => {
  const dataDir = makeDataDir();
  onTestFinished(() => removeData(dataDir));
  // A folder where the lock's file should be: like missing rights, but also for root.
  mkdirSync(join(dataDir, "lock"), { recursive: true });
  const { code, words } = await refusedStart({ dataDir });
  expect(words).toEqual([expect.stringMatching(`^the data directory ${dataDir} cannot be locked`)]);
  expect(code).toBe(1);
});
