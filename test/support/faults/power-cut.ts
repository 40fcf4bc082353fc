/** Cuts the power under a server: everything is killed, and only what reached the disk comes back. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createStream, listAll } from "../api.ts";
import { type Cluster, startCluster } from "../cluster.ts";
import { checkHistory, type Numbered, type Verdict } from "../history.ts";
import { LOAD_FIELDS, type Load, startLoad } from "../load.ts";
import { startTestNats } from "../nats.ts";
import { openRig, settleTable } from "../rig.ts";
import {
  embeddedPid,
  endEmbedded,
  startServer,
  type Target,
  type TestServer,
  waitFor,
} from "../server.ts";
import { type BlockImage, createBlockImage } from "./block-image.ts";
import { moreAcked } from "./outage.ts";

/** What came back after the cut. */
export interface PowerCutResult {
  readonly log: Verdict;
  readonly table: Verdict;
}

/** The embedded servers with their data on the image: pushes until `records` are acknowledged, then cuts. */
export async function cutPower(records: number): Promise<PowerCutResult> {
  const image = await createBlockImage(1_024);
  const dataDir = join(image.folder, "data");
  let copy: BlockImage | undefined;
  let server: TestServer | undefined;
  try {
    server = await startServer({ dataDir });
    const rig = await openRig({ target: server, databaseUrl: server.env.SINK_DATABASE_URL ?? "" });
    await rig.close();
    const load = await loadUntil(server, rig.stream, records);
    process.kill(embeddedPid(dataDir, "nats"), "SIGKILL");
    process.kill(embeddedPid(dataDir, "postgres"), "SIGKILL");
    await server.stop("SIGKILL");
    copy = await image.cutPower();
    await load.stop(0);
    await endEmbedded(dataDir);

    const copiedDir = join(copy.folder, "data");
    server = await startServer({ dataDir: copiedDir });
    const log = checkHistory(load.history, await readLog(server, rig.stream));
    const table = await settleTable(server.env.SINK_DATABASE_URL ?? "", load.history);
    return { log, table };
  } finally {
    await server?.close();
    await endEmbedded(dataDir);
    await copy?.close();
    await image.close();
  }
}

/** The control: a nats-server that syncs every two minutes, which must lose something. */
export async function cutPowerWithoutSync(records: number): Promise<Verdict> {
  const image = await createBlockImage(512);
  const storeDir = join(image.folder, "store");
  await mkdir(storeDir, { recursive: true });
  const cluster = await startCluster({ nats: { storeDir, syncInterval: "2m" } });
  let copy: BlockImage | undefined;
  try {
    const server = await cluster.startNode();
    const stream = await createStream(server, "cut", { fields: LOAD_FIELDS, keyFields: ["key"] });
    const load = await loadUntil(server, stream, records);
    await cluster.nats.kill("SIGKILL");
    await server.stop("SIGKILL");
    copy = await image.cutPower();
    await load.stop(0);
    const rows = await readCopy(cluster, join(copy.folder, "store"), stream);
    return checkHistory(load.history, rows);
  } finally {
    await cluster.close();
    await copy?.close();
    await image.close();
  }
}

/** What a nats-server on the copied store still has: nothing when it cannot even start on it. */
async function readCopy(cluster: Cluster, storeDir: string, stream: string): Promise<Numbered[]> {
  const started = await startTestNats({ storeDir, startTimeoutMs: 10_000 }).catch(() => undefined);
  if (!started) return [];
  try {
    const again = await cluster.startNode({ env: { NATS_URL: started.url } });
    const rows = await readLog(again, stream).catch(() => []);
    await again.stop();
    return rows;
  } finally {
    await started.close();
  }
}

async function loadUntil(target: Target, stream: string, records: number): Promise<Load> {
  const load = startLoad({ target, stream, repeat: false, pauseMs: 0, recordsPerCall: 10 });
  await waitFor(moreAcked(load, records), { timeoutMs: 120_000, what: "the load" });
  return load;
}

async function readLog(target: Target, stream: string): Promise<Numbered[]> {
  const records = await listAll(target, stream);
  return records.map(({ value }) => ({ key: String(value.key), n: Number(value.n) }));
}
