/** What it costs that pushes go to many streams of many partitions. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createStream } from "../test/support/api.ts";
import { startTestNats } from "../test/support/nats.ts";
import { OTHER_CPU, pin, SERVER_CPU } from "./processes.ts";
import { FIELDS, restBody } from "./records.ts";
import { describeMachine, formatMemory, type Measurement, type Report } from "./report.ts";
import { measureRest } from "./rest-load.ts";
import { type BenchOptions, openRig, type Rig } from "./rig.ts";

const CALLERS = 64;
const SHARDS = 8;
const COUNTS = [1, 100, 1_000];
/** Calls in a batch, and batches under way, when as many gather as do with 64 callers over 8 shards. */
const GATHERED = 6;
const GATHERED_UNDER_WAY = 8;
/** Streams, and the throughput that gives their partitions. */
const SPREADS = [
  { streams: 1, partitions: 1, throughput: "NORMAL" },
  { streams: 64, partitions: 1, throughput: "NORMAL" },
  { streams: 1, partitions: 16, throughput: "MAX" },
  { streams: 16, partitions: 4, throughput: "HIGH" },
  { streams: 64, partitions: 16, throughput: "MAX" },
] as const;

/** Calls of each size to one stream and to many, in turn, and bare batches to as many shards. */
export async function benchSpread(options: BenchOptions): Promise<Report> {
  const rig = await openRig(options);
  const want = new RegExp(options.only);
  const measurements: Measurement[] = [];
  try {
    const works = await listWorks(rig);
    for (let run = 0; run < options.runs; run++) {
      for (const { name, count, paths } of works) {
        if (!want.test(name)) continue;
        const load = { name, paths, count, callers: CALLERS, seconds: options.seconds };
        measurements.push({ ...(await measureRest(rig, load)), name });
      }
      for (const count of COUNTS) {
        for (const calls of count === 1 ? [1] : [1, GATHERED]) {
          const each = calls === 1 ? "each call" : `${calls} calls`;
          const name = `limit: an atomic batch for ${each}, over ${SHARDS} shards, calls of ${count}`;
          const batches = { name, count, calls };
          if (want.test(name)) measurements.push(await measureBatches(batches, options));
        }
      }
    }
    const notes = [
      ...describeMachine(),
      `${CALLERS} callers, each with one call under way; every OK after fsync`,
      "calls go to the streams in turn; the limits have the bytes of 16 partitions for each call",
      `memory at rest: ${formatMemory(rig.idle)}`,
    ];
    return { title: "Spread", notes, measurements };
  } finally {
    await rig.close();
  }
}

interface Work {
  readonly name: string;
  readonly count: number;
  readonly paths: readonly string[];
}

async function listWorks({ server }: Rig): Promise<Work[]> {
  const works: Work[] = [];
  for (const { streams, partitions, throughput } of SPREADS) {
    const options = { fields: FIELDS, keyFields: ["sensor_id"], throughput };
    const paths: string[] = [];
    for (let i = 0; i < streams; i++) {
      const name = await createStream(server, `of-${streams}-${partitions}-${i}`, options);
      paths.push(`/v1/${name}/records`);
    }
    const what = `${streams} × ${partitions}: REST JSON to streams by partitions`;
    works.push(...COUNTS.map((count) => ({ name: `${what}, calls of ${count}`, count, paths })));
  }
  return works;
}

async function measureBatches(
  { name, count, calls }: Omit<Work, "paths"> & { readonly calls: number },
  { seconds }: BenchOptions,
): Promise<Measurement> {
  const nats = await startTestNats();
  pin(nats.pid, OTHER_CPU);
  try {
    const messages = Math.min(16, count);
    const bytes = Math.ceil((count * restBody(1).length) / messages);
    const file = join(import.meta.dirname, "limits/bare-batches.ts");
    const underWay = calls === 1 ? CALLERS : GATHERED_UNDER_WAY;
    const numbers = [SHARDS, messages * calls, bytes, underWay, seconds * 1_000];
    const words = [file, nats.url, ...numbers.map(String)];
    const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
    pin(child.pid!, SERVER_CPU);
    let last = "";
    for await (const line of createInterface({ input: child.stdout })) last = line;
    const rate = Number(last) * calls;
    return { name, callsPerSecond: rate, recordsPerSecond: rate * count };
  } finally {
    await nats.close();
  }
}
