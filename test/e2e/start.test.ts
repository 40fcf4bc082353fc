import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect as h2Connect } from "node:http2";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { listAll } from "../support/api.ts";
import { startCluster } from "../support/cluster.ts";
import { report } from "../support/faults/outage.ts";
import { launchServer, makeDataDir, removeData, startServer, waitFor } from "../support/server.ts";

/** Starts a server that must refuse to, and gives its exit code and words. */
async function refusedStart(env: Record<string, string>) {
  const dataDir = makeDataDir();
  const launched = launchServer({ dataDir, env });
  const timer = setTimeout(() => launched.child.kill("SIGKILL"), 20_000);
  const code = await launched.exited;
  clearTimeout(timer);
  await removeData(dataDir);
  return { code, output: launched.output() };
}

test("an unknown TRIBUTARY_ variable is refused with the nearest name", async () => {
  const { code, output } = await refusedStart({ TRIBUTARY_SHARD: "4" });
  expect(code).not.toBe(0);
  expect(code).not.toBeNull();
  expect(output).toContain("TRIBUTARY_SHARDS");
  expect(output).not.toContain("    at ");
});

test("HOST=0.0.0.0 is refused without TLS", async () => {
  const { code, output } = await refusedStart({ HOST: "0.0.0.0" });
  expect(code).not.toBe(0);
  expect(code).not.toBeNull();
  expect(output).toContain("TRIBUTARY_TLS_CERT");
});

test("two servers start side by side; a third on the data of one is refused by name; that one ends without a trace and starts again quickly with all it had", async () => {
  const [one, two] = await Promise.all([startServer(), startServer()]);
  const { dataDir, env } = one;
  onTestFinished(async () => {
    await Promise.all([one.close(), two.close()]);
  });
  expect(one.url).not.toBe(two.url);
  const value = (temperature: number) => ({
    value: { sensor_id: "kept", temperature, created_at: "2026-01-01T00:00:00Z" },
  });
  for (const server of [one, two]) {
    expect((await server.post(`/v1/${env.STREAM}/records`, [value(1)])).status).toBe(200);
  }
  const third = launchServer({ dataDir });
  expect(await third.exited).not.toBe(0);
  expect(third.output()).toContain(dataDir);

  expect(await one.stop()).toBe(0);
  expect(processesOf(dataDir)).toEqual([]);
  await two.stop();

  const again = await startServer({ dataDir });
  onTestFinished(() => again.close());
  report("starts", { firstMs: one.startMs, secondMs: again.startMs });
  expect(again.startMs).toBeLessThan(6_000);
  expect(again.env.CLIENT_SECRET).toBe(env.CLIENT_SECRET);
  expect((await again.post(`/v1/${env.STREAM}/records`, [value(2)])).status).toBe(200);
  const records = await listAll(again, env.STREAM ?? "");
  expect(records.map((record) => record.value.temperature)).toEqual([1, 2]);
}, 60_000);

test("with a certificate HOST may be any address: HTTP/1.1 and HTTP/2 by ALPN on one port, and no demo", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tributary-tls-"));
  const cluster = await startCluster();
  onTestFinished(async () => {
    await cluster.close();
    await rm(folder, { recursive: true, force: true });
  });
  const key = join(folder, "key.pem");
  const cert = join(folder, "cert.pem");
  const make =
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost";
  await promisify(execFile)("openssl", [...make.split(" "), "-keyout", key, "-out", cert]);
  const dataDir = makeDataDir();
  const launched = launchServer({
    dataDir,
    env: {
      HOST: "0.0.0.0",
      TRIBUTARY_TLS_CERT: cert,
      TRIBUTARY_TLS_KEY: key,
      NATS_URL: cluster.nats.url,
      DATABASE_URL: await cluster.postgres.createDatabase(),
    },
  });
  onTestFinished(async () => {
    launched.child.kill("SIGTERM");
    await launched.exited;
    await removeData(dataDir);
  });
  await waitFor(() => /^ready/m.test(launched.output()), {
    timeoutMs: 30_000,
    what: () => `the start: ${launched.output()}`,
  });
  const port = /https:\/\/[^\s:]+:(\d+)/.exec(launched.output())?.[1];
  expect(port, launched.output()).toBeDefined();
  const ca = readFileSync(cert);
  const one = await new Promise<string | undefined>((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path: "/healthz", ca, servername: "localhost" };
    const request = httpsRequest(options, (response) => {
      response.resume();
      resolve(`${response.statusCode} HTTP/${response.httpVersion}`);
    });
    request.on("error", reject).end();
  });
  expect(one).toBe("200 HTTP/1.1");
  const session = h2Connect(`https://localhost:${port}`, { ca, host: "127.0.0.1" });
  onTestFinished(() => session.destroy());
  const two = await new Promise<unknown>((resolve, reject) => {
    session.on("error", reject);
    const call = session.request({ ":path": "/healthz" });
    call
      .on("response", (headers) => resolve(headers[":status"]))
      .on("error", reject)
      .end();
  });
  expect(two).toBe(200);
  expect(session.alpnProtocol).toBe("h2");
  const plain = await fetch(`http://127.0.0.1:${port}/healthz`).then(
    (answer) => answer.status,
    () => "refused",
  );
  expect(plain).not.toBe(200);
  expect(launched.output()).not.toContain("projects/demo");
}, 60_000);

/** Process ids whose command line names the folder. */
function processesOf(folder: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(folder);
    } catch {
      return false;
    }
  });
}
