/** What a thousand readers of one stream cost those who push. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { createStream, push } from "../test/support/api.ts";
import { runLoad, watch } from "./load/run-load.ts";
import type { TailPlan, TailResult } from "./load/tail-load.ts";
import { OTHER_CPU, pin, SERVER_CPU } from "./processes.ts";
import { FIELDS, recordText, restBody } from "./records.ts";
import { describeMachine, formatMemory, type Measurement, type Report } from "./report.ts";
import { type BenchOptions, openRig, type Rig } from "./rig.ts";

const READERS = 1_000;
/** Records a second of the stream that is read, in calls of so many. */
const RATE = 1_000;
const CALL = 20;
const CALLERS = 64;
/** What readers of that rate are given: 500 records, with what stands around them. */
const FRAME_BYTES = 82_000;
const FRAME_MS = 500;
const LIMIT = `limit: a bare server that writes the same bytes to ${READERS} sockets`;

/** Pushes to another stream, in turn beside the readers and without them; the stream grows in both. */
export async function benchTail(options: BenchOptions): Promise<Report> {
  const rig = await openRig(options);
  try {
    const read = await createStream(rig.server, "read", { fields: FIELDS });
    const other = await createStream(rig.server, "other", { fields: FIELDS });
    const measurements: Measurement[] = [];
    const notes: string[] = [];
    const ended = new AbortController();
    const growing = grow(rig, read, ended.signal);
    await measurePush(rig, other, { name: "warm-up", seconds: 2 });
    const want = new RegExp(options.only);
    const measure = async (name: string) => {
      if (!want.test(name)) return;
      const isPush = name.startsWith("push");
      const work = { name, seconds: options.seconds };
      measurements.push(await (isPush ? measurePush(rig, other, work) : measureStream(rig, work)));
    };
    for (let run = 0; run < options.runs; run++) {
      await measure("the stream without readers");
      await measure("push without readers");
      const readers = await openReaders(rig, read);
      await measure(`the stream with ${READERS} readers`);
      await measure(`push beside ${READERS} readers of ${RATE} records a second`);
      notes.push(describeReaders(await readers.end()));
    }
    ended.abort();
    await growing;
    if (want.test(LIMIT)) measurements.push(await measureLimit(options));
    const head = [...describeMachine(), `memory at rest: ${formatMemory(rig.idle)}`];
    return { title: "Tails", notes: [...head, ...notes], measurements };
  } finally {
    await rig.close();
  }
}

async function grow({ server }: Rig, stream: string, signal: AbortSignal): Promise<void> {
  const beganAt = performance.now();
  for (let pushed = 0; !signal.aborted; pushed += CALL) {
    const records = Array.from({ length: CALL }, (_, i) => JSON.parse(recordText(pushed + i)));
    await push(server, stream, records);
    await sleep(Math.max(0, ((pushed + CALL) / RATE) * 1_000 - (performance.now() - beganAt)));
  }
}

/** CPU and memory while only the stream grows: on a busy machine the share of CPU says more than rates do. */
async function measureStream(
  rig: Rig,
  { name, seconds }: { readonly name: string; readonly seconds: number },
): Promise<Measurement> {
  const watching = watch(rig.processes);
  await sleep(seconds * 1_000);
  return { name, recordsPerSecond: RATE, ...watching.end() };
}

async function measurePush(
  rig: Rig,
  stream: string,
  { name, seconds }: { readonly name: string; readonly seconds: number },
): Promise<Measurement> {
  const { hostname, port } = new URL(rig.server.url);
  const result = await runLoad(
    {
      protocol: "http1",
      host: hostname,
      port: Number(port),
      path: `/v1/${stream}/records`,
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${await rig.server.token()}`,
      },
      bodies: [{ body: Buffer.from(restBody(1)).toString("base64") }],
      callers: CALLERS,
      warmUpMs: 1_000,
      measureMs: seconds * 1_000,
    },
    rig.processes,
  );
  const rate = result.calls / result.seconds;
  return { ...result, name, callsPerSecond: rate, recordsPerSecond: rate };
}

/** CPU of a bare server that writes as many bytes to as many sockets, in as many frames. */
async function measureLimit({ seconds }: BenchOptions): Promise<Measurement> {
  const words = [FRAME_BYTES, FRAME_MS].map(String);
  const bare = spawn(
    process.execPath,
    [join(import.meta.dirname, "limits/bare-tail.ts"), ...words],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  pin(bare.pid!, SERVER_CPU);
  try {
    const lines = createInterface({ input: bare.stdout! })[Symbol.asyncIterator]();
    const port = Number((await lines.next()).value);
    const readers = await startReaders({ host: "127.0.0.1", port, token: "none", stream: "none" });
    const watching = watch([{ name: "node", pid: bare.pid! }]);
    await sleep(seconds * 1_000);
    const usage = watching.end();
    await readers.end();
    return { name: LIMIT, recordsPerSecond: RATE, ...usage };
  } finally {
    bare.kill("SIGKILL");
  }
}

async function openReaders({ server }: Rig, stream: string) {
  const { hostname: host, port } = new URL(server.url);
  return await startReaders({ host, port: Number(port), token: await server.token(), stream });
}

async function startReaders(where: Omit<TailPlan, "readers">) {
  const plan: TailPlan = { ...where, readers: READERS };
  const file = join(import.meta.dirname, "load/tail-load.ts");
  const child: ChildProcess = spawn(process.execPath, [file, JSON.stringify(plan)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  pin(child.pid!, OTHER_CPU);
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  await lines.next();
  await sleep(3_000);
  child.stdin?.write("zero\n");
  return {
    async end(): Promise<TailResult> {
      child.stdin?.write("end\n");
      const { value } = await lines.next();
      return JSON.parse(value ?? "{}") as TailResult;
    },
  };
}

function describeReaders({ leastBytes, mostBytes, leastRecords, left, ended }: TailResult): string {
  const mib = (count: number) => (count / 2 ** 20).toFixed(1);
  return `readers had ${mib(leastBytes)} to ${mib(mostBytes)} MiB each; of those that decode, each at least ${leastRecords} records, ${left} left out; ${ended} were ended`;
}
