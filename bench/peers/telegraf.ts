/**
 * Telegraf as a peer: http_listener_v2 into JetStream. It answers as soon as it has the records in
 * memory, before they are stored, and checks no schema. Installed by `go install` into the cache, with
 * the plugins of this pipeline only.
 */

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../test/support/free-port.ts";
import { startTestNats, testCacheDir } from "../../test/support/nats.ts";
import { waitFor } from "../../test/support/wait-for.ts";
import { cpuSeconds, OTHER_CPU, pin, SERVER_CPU } from "../processes.ts";

const VERSION = "v1.37.2";
const TAGS =
  "custom,inputs.http_listener_v2,outputs.nats,parsers.json,serializers.json,serializers.influx";
const PATH = "/telegraf";

/** Telegraf under measurement. */
export interface TelegrafPeer {
  readonly port: number;
  readonly path: string;
  readonly pid: number;
  /** Waits, at most a minute, until it has stored what it has answered. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

/** Starts it beside a nats-server of its own that syncs before each answer; says why when it cannot. */
export async function startTelegraf(): Promise<TelegrafPeer | { readonly missing: string }> {
  const binary = install();
  if ("missing" in binary) return binary;
  const nats = await startTestNats();
  pin(nats.pid, OTHER_CPU);
  const folder = mkdtempSync(join(tmpdir(), "tributary-telegraf-"));
  const port = await freePort();
  const file = join(folder, "telegraf.conf");
  writeFileSync(file, configText(port, nats.url));
  const child = spawn(binary.path, ["--config", file, "--quiet"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const close = async () => {
    child.kill("SIGKILL");
    await nats.close();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await waitFor(async () => (await post(port)) === 204, { timeoutMs: 30_000 });
    await waitFor(() => hasStored(nats.monitorUrl), { timeoutMs: 30_000 });
  } catch (error) {
    await close();
    throw error;
  }
  pin(child.pid!, SERVER_CPU);
  return { port, path: PATH, pid: child.pid!, settle: () => settle(child.pid!), close };
}

function install(): { readonly path: string } | { readonly missing: string } {
  const folder = join(testCacheDir, "telegraf", VERSION);
  const path = join(folder, "telegraf");
  if (existsSync(path)) return { path };
  try {
    execFileSync("go", ["version"], { stdio: "ignore" });
  } catch {
    return { missing: "Go is not installed here, which builds Telegraf" };
  }
  mkdirSync(folder, { recursive: true });
  process.stderr.write(`building Telegraf ${VERSION}, some minutes\n`);
  execFileSync(
    "go",
    ["install", "-tags", TAGS, `github.com/influxdata/telegraf/cmd/telegraf@${VERSION}`],
    { env: { ...process.env, GOBIN: folder }, stdio: "inherit", timeout: 1_200_000 },
  );
  return { path };
}

/** As fast as it goes: batches of 1,000 metrics, no wait beyond 100 ms, a buffer that holds the load. */
function configText(port: number, natsUrl: string): string {
  return `
[agent]
  interval = "1s"
  flush_interval = "100ms"
  metric_batch_size = 1000
  metric_buffer_limit = 1000000
  omit_hostname = true
[[inputs.http_listener_v2]]
  service_address = "tcp://127.0.0.1:${port}"
  paths = ["${PATH}"]
  methods = ["POST"]
  data_format = "json"
  tag_keys = ["sensor_id"]
  json_time_key = "created_at"
  json_time_format = "2006-01-02T15:04:05Z07:00"
[[outputs.nats]]
  servers = ["${natsUrl}"]
  subject = "telegraf"
  data_format = "json"
  use_batch_format = true
  [outputs.nats.jetstream]
    name = "telegraf"
    subjects = ["telegraf"]
    storage = "file"
`;
}

async function post(port: number): Promise<number> {
  const body = '[{"sensor_id":"s","temperature":1.5,"created_at":"2026-01-01T00:00:00Z"}]';
  try {
    const signal = AbortSignal.timeout(2_000);
    return (await fetch(`http://127.0.0.1:${port}${PATH}`, { method: "POST", body, signal }))
      .status;
  } catch {
    return 0;
  }
}

/** Its CPU time stands still once its buffer is empty. */
async function settle(pid: number): Promise<void> {
  let before = -1;
  const isStill = () => {
    const now = cpuSeconds(pid);
    const still = now - before < 0.03;
    before = now;
    return still;
  };
  await waitFor(isStill, { timeoutMs: 60_000, everyMs: 500 });
}

async function hasStored(monitorUrl: string): Promise<boolean> {
  const answer = await fetch(`${monitorUrl}/jsz`, { signal: AbortSignal.timeout(2_000) });
  return ((await answer.json()) as { messages: number }).messages > 0;
}
