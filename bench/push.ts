/** How fast pushes are, in every form, and what bounds them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { call, createStream, push } from "../test/support/api.ts";
import { startTestNats } from "../test/support/nats.ts";
import { measureDiskSync } from "./limits/disk-sync.ts";
import type { LoadPlan } from "./load/load.ts";
import { runLoad } from "./load/run-load.ts";
import { startTelegraf, type TelegrafPeer } from "./peers/telegraf.ts";
import { OTHER_CPU, pin, SERVER_CPU } from "./processes.ts";
import { connectBody, FIELDS, messageBody, restBody, sourceBody } from "./records.ts";
import { describeMachine, formatMemory, type Measurement, type Report } from "./report.ts";
import { type BenchOptions, openRig, type Rig } from "./rig.ts";

const CALLERS = 64;
const SPREAD_STREAMS = 16;
const PEER = "peer: Telegraf, answers before it stores";
const PUSH = "/tributary.push.v1.PushService/Push";
/** A rate far below what one core takes: latencies are those of the way, not of a queue. */
const CALM_RATE = 1_600;
const DISK = "limit: write and fdatasync of 4 KiB on this disk";

interface Work {
  readonly name: string;
  readonly count: number;
  readonly plan: Pick<LoadPlan, "protocol" | "path" | "bodies" | "status" | "perSecond"> & {
    readonly port?: number;
    /** In place of the access token. */
    readonly headers?: Readonly<Record<string, string>>;
  };
  /** Watched instead of the server. */
  readonly pid?: number;
  /** Waits until what was begun has ended. */
  readonly settle?: () => Promise<void>;
}

/** Runs all forms in turn, several times. */
export async function benchPush(options: BenchOptions): Promise<Report> {
  const rig = await openRig(options);
  const bare = await startBareHttp();
  const wantsPeer = [1, 100, 1_000].some((count) =>
    new RegExp(options.only).test(`${PEER}, calls of ${count}`),
  );
  const peer = wantsPeer ? await startTelegraf() : { missing: "it was not asked for" };
  try {
    const stream = await openStream(rig, "single", "NORMAL");
    const spread = await Promise.all(
      Array.from({ length: SPREAD_STREAMS }, (_, i) => openStream(rig, `spread-${i}`, "HIGH")),
    );
    const source = await openSource(rig, stream);
    const all = [
      ...listWorks(stream, spread, source),
      ...refusedWorks(await openFull(rig)),
      ...("missing" in peer ? [] : peerWorks(peer)),
      ...bareWorks(bare),
    ];
    const works = all.filter(({ name }) => new RegExp(options.only).test(name));
    const measurements: Measurement[] = [];
    // Code that has not run yet is several times slower, which the first of the list would show.
    for (const first of works.slice(0, 1)) await measure(rig, first, { ...options, seconds: 2 });
    for (let run = 0; run < options.runs; run++) {
      for (const work of works) {
        measurements.push(await measure(rig, work, options));
        await work.settle?.();
      }
      if (new RegExp(options.only).test(DISK)) measurements.push(measureDisk());
      measurements.push(...(await measureJetStream(options)));
    }
    const missing = "missing" in peer ? [`Telegraf was not measured: ${peer.missing}`] : [];
    const notes = [...describeRun(rig, measurements), ...missing];
    return { title: "Push", notes, measurements };
  } finally {
    bare.close();
    if (!("missing" in peer)) await peer.close();
    await rig.close();
  }
}

function openStream(rig: Rig, id: string, throughput: "NORMAL" | "HIGH"): Promise<string> {
  return createStream(rig.server, id, { fields: FIELDS, keyFields: ["sensor_id"], throughput });
}

/** A stream of a project that may push one record a second, and has pushed more. */
async function openFull({ server }: Rig): Promise<string> {
  const name = "projects/full";
  await call(server, "management.v1.ProjectService/CreateProject", {
    projectId: "full",
    project: {},
  });
  const stream = await createStream(server, "s", { fields: FIELDS, project: name });
  await call(server, "management.v1.InstallationService/UpdateProjectQuotas", {
    name,
    quotas: { recordsPerSecond: "1" },
  });
  await push(server, stream, JSON.parse(restBody(10_000)).map(recordIn));
  return stream;
}

const recordIn = ({ value }: { value: unknown }) => value;

function refusedWorks(stream: string): Work[] {
  return [1, 1_000].map((count) =>
    work("refused: its project is over its quota", count, {
      protocol: "http1",
      path: restPath(stream),
      status: 429,
      bodies: [{ body: encode(restBody(count)) }],
    }),
  );
}

interface BenchSource {
  readonly path: string;
  readonly key: string;
}

async function openSource(rig: Rig, stream: string): Promise<BenchSource> {
  const { url, secret } = await call<{ url: string; secret: string }>(
    rig.server,
    "management.v1.SourceService/CreateSource",
    { parent: stream, sourceId: "bench", source: { apiKey: {} } },
  );
  return { path: new URL(url).pathname, key: secret };
}

function listWorks(stream: string, spread: readonly string[], source: BenchSource): Work[] {
  const all = [stream, ...spread];
  if (all.length === 0) return [];
  return [1, 100, 1_000].flatMap((count) => {
    const many = spread.map((name) => ({ path: restPath(name), body: encode(restBody(count)) }));
    return [
      work("REST JSON", count, {
        protocol: "http1",
        path: restPath(stream),
        bodies: [{ body: encode(restBody(count)) }],
      }),
      work("source with API key", count, {
        protocol: "http1",
        path: source.path,
        headers: { "x-api-key": source.key },
        bodies: [{ body: encode(sourceBody(count)) }],
      }),
      work("Connect JSON", count, {
        protocol: "http1",
        path: PUSH,
        bodies: [{ body: encode(connectBody(stream, count)) }],
      }),
      ...(count === 1
        ? [
            work(`REST JSON, ${CALM_RATE} calls a second`, count, {
              protocol: "http1",
              path: restPath(stream),
              perSecond: CALM_RATE,
              bodies: [{ body: encode(restBody(count)) }],
            }),
          ]
        : []),
      work("gRPC PushStream", count, {
        protocol: "stream",
        path: `${PUSH}Stream`,
        bodies: [{ body: encode(messageBody(stream, count)) }],
      }),
      work("gRPC", count, {
        protocol: "grpc",
        path: PUSH,
        bodies: [{ body: encode(messageBody(stream, count)) }],
      }),
      work(`REST JSON, ${SPREAD_STREAMS} streams of 4 partitions`, count, {
        protocol: "http1",
        path: "",
        bodies: many,
      }),
    ];
  });
}

function peerWorks({ port, path, pid, settle }: TelegrafPeer): Work[] {
  return [1, 100, 1_000].map((count) => ({
    pid,
    settle,
    ...work(PEER, count, {
      protocol: "http1",
      path,
      port,
      status: 204,
      bodies: [{ body: encode(sourceBody(count)) }],
    }),
  }));
}

function bareWorks({ port, pid }: { port: number; pid: number }): Work[] {
  return [1, 100, 1_000].map((count) => ({
    pid,
    ...work("limit: bare node:http, JSON.parse and schema check, no log", count, {
      protocol: "http1",
      path: "/",
      port,
      bodies: [{ body: encode(restBody(count)) }],
    }),
  }));
}

function work(name: string, count: number, plan: Work["plan"]): Work {
  return { name: `${name}, calls of ${count}`, count, plan };
}

function restPath(stream: string): string {
  return `/v1/${stream}/records`;
}

function encode(body: string | Uint8Array): string {
  return Buffer.from(body as string).toString("base64");
}

async function measure(
  rig: Rig,
  { name, count, plan, pid }: Work,
  options: BenchOptions,
): Promise<Measurement> {
  const { hostname, port } = new URL(rig.server.url);
  const type = plan.protocol === "http1" ? { "content-type": "application/json" } : {};
  const result = await runLoad(
    {
      host: hostname,
      callers: CALLERS,
      warmUpMs: 1_000,
      measureMs: options.seconds * 1_000,
      ...plan,
      headers: {
        ...type,
        ...(plan.headers ?? { authorization: `Bearer ${await rig.server.token()}` }),
      },
      port: plan.port ?? Number(port),
    },
    pid ? [{ name: "node", pid }] : rig.processes,
  );
  if (result.errors > 0) process.stderr.write(`${name}: ${result.firstError}\n`);
  const callsPerSecond = result.calls / result.seconds;
  return { ...result, name, callsPerSecond, recordsPerSecond: callsPerSecond * count };
}

async function startBareHttp(): Promise<{ port: number; pid: number; close: () => void }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "limits/bare-http.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  pin(child.pid!, SERVER_CPU);
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return { port: Number(line), pid: child.pid!, close: () => void child.kill() };
}

/** Beside the latencies of the same round. */
function measureDisk(): Measurement {
  const { p50, p99 } = measureDiskSync();
  return { name: DISK, recordsPerSecond: 1000 / p50, p50, p99 };
}

/** Bare publishes of one record, and of a batch of 100, with as many under way as there are callers. */
async function measureJetStream(options: BenchOptions): Promise<Measurement[]> {
  const nats = await startTestNats();
  pin(nats.pid, OTHER_CPU);
  const measurements: Measurement[] = [];
  try {
    for (const count of [1, 100]) {
      const name = `limit: bare JetStream publish, messages of ${count}`;
      if (!new RegExp(options.only).test(name)) continue;
      const rate = await publishBare(nats.url, count * restBody(1).length, options);
      measurements.push({ name, callsPerSecond: rate, recordsPerSecond: rate * count });
    }
  } finally {
    await nats.close();
  }
  return measurements;
}

async function publishBare(url: string, bytes: number, { seconds }: BenchOptions): Promise<number> {
  const file = join(import.meta.dirname, "limits/bare-jetstream.ts");
  const words = [file, url, bytes, CALLERS, seconds * 1_000].map(String);
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  pin(child.pid!, SERVER_CPU);
  let last = "";
  for await (const line of createInterface({ input: child.stdout })) last = line;
  return Number(last);
}

function describeRun(rig: Rig, measurements: readonly Measurement[]): string[] {
  const disk = measureDiskSync();
  const peaks = Object.fromEntries(
    Object.keys(rig.idle).map((name) => [
      name,
      Math.max(...measurements.map((each) => each.peakBytes?.[name] ?? 0)),
    ]),
  );
  return [
    ...describeMachine(),
    `${CALLERS} callers, each with one call under way; every OK after fsync`,
    `write and fdatasync of 4 KiB on this disk: p50 ${disk.p50.toFixed(2)} ms, p99 ${disk.p99.toFixed(2)} ms`,
    `memory at rest: ${formatMemory(rig.idle)}`,
    `memory under load, highest: ${formatMemory(peaks)}`,
  ];
}
