/** Half load for an hour: whether memory grows, and whether everything that was accepted is delivered. */
import { countsOf, createSink, createStream } from "../test/support/api.ts";
import { waitFor } from "../test/support/server.ts";
import { startTaker } from "./backlog.ts";
import { runLoad } from "./load/run-load.ts";
import { residentBytes } from "./processes.ts";
import { FIELDS, restBody } from "./records.ts";
import { describeMachine, formatMemory, type Measurement, type Report } from "./report.ts";
import { type BenchOptions, openRig, type Rig } from "./rig.ts";

const CALLERS = 64;
const ROUND_MS = 30_000;
const LOOK_MS = 5_000;
/** The heap finds its size first: this part of the soak is not looked at. */
const WARM_UP = 0.25;
/** Growth that is allowed, in bytes a minute. */
const GROWTH_MAX = 1_000_000;
/** A shorter soak says little about growth and is not judged by it. */
const JUDGED_MINUTES = 30;

interface Look {
  readonly minute: number;
  readonly bytes: Readonly<Record<string, number>>;
}

/** Finds the full load, then runs half of it for `minutes`; errors when something is lost or memory grows. */
export async function benchSoak(options: BenchOptions): Promise<Report> {
  const rig = await openRig(options);
  const taker = startTaker("receiver.ts");
  const looks: Look[] = [];
  const startedAt = performance.now();
  const minute = () => (performance.now() - startedAt) / 60_000;
  const timer = setInterval(() => looks.push({ minute: minute(), bytes: memoryOf(rig) }), LOOK_MS);
  try {
    const stream = await createStream(rig.server, "soak", {
      fields: FIELDS,
      keyFields: ["sensor_id"],
      retention: { bytes: String(256 * 2 ** 20) },
    });
    const sink = await createSink(rig.server, stream, {
      id: "hook",
      webhook: { url: `http://127.0.0.1:${await taker.port}/` },
    });
    const full = await pushFor(rig, stream, { name: "full load", ms: 5_000 });
    const perSecond = Math.round((full.callsPerSecond ?? 0) / 2);
    const rounds: (Measurement & { readonly calls: number })[] = [];
    while (minute() < options.minutes) {
      const ms = Math.min(ROUND_MS, Math.max(5_000, (options.minutes - minute()) * 60_000));
      rounds.push(await pushFor(rig, stream, { name: "half load", ms, perSecond }));
    }
    const calls = full.calls + rounds.reduce((sum, round) => sum + round.calls, 0);
    const delivered = await countDelivered(rig, sink.name, calls);
    // Calls that were cut at the end of a round, or came in its warm-up, were accepted and not counted.
    const judged = judge(looks, options.minutes);
    const isLost = delivered < calls;
    const failure = { name: isLost ? "records were lost" : "memory grows", recordsPerSecond: 0 };
    const isWrong = isLost || judged.isGrowing;
    return {
      title: "Soak",
      notes: [
        ...describeMachine(),
        `single pushes at half of ${Math.round(full.callsPerSecond ?? 0)} a second for ${options.minutes} minutes, with a webhook sink; ${calls.toLocaleString("en-US")} answers counted, ${delivered.toLocaleString("en-US")} records delivered`,
        `memory at rest: ${formatMemory(rig.idle)}; at the end: ${formatMemory(memoryOf(rig))}`,
        `growth after the first quarter: ${judged.text}; allowed for node is 1 MB a minute, judged from ${JUDGED_MINUTES} minutes on`,
      ],
      measurements: [full, ...rounds, ...(isWrong ? [{ ...failure, errors: 1 }] : [])],
    };
  } finally {
    clearInterval(timer);
    taker.close();
    await rig.close();
  }
}

async function pushFor(
  rig: Rig,
  stream: string,
  load: { readonly name: string; readonly ms: number; readonly perSecond?: number },
): Promise<Measurement & { readonly calls: number }> {
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
      bodies: Array.from({ length: 100 }, (_, i) => ({
        body: Buffer.from(restBody(1, i)).toString("base64"),
      })),
      callers: CALLERS,
      ...(load.perSecond && { perSecond: load.perSecond }),
      warmUpMs: 500,
      measureMs: load.ms,
    },
    rig.processes,
  );
  const rate = result.calls / result.seconds;
  return { ...result, name: load.name, callsPerSecond: rate, recordsPerSecond: rate };
}

/** What the sink has delivered, once nothing more comes. */
async function countDelivered({ server }: Rig, sink: string, least: number): Promise<number> {
  let last = -1;
  const isStill = async () => {
    const { delivered = 0 } = await countsOf(server, sink);
    const isSame = delivered === last && delivered >= least;
    last = delivered;
    return isSame;
  };
  const options = { timeoutMs: 120_000, everyMs: 1_000, what: "the deliveries" };
  await waitFor(isStill, options).catch(() => undefined);
  return last;
}

function memoryOf({ processes }: Rig): Record<string, number> {
  return Object.fromEntries(
    processes.map(({ name, pid, withChildren }) => [name, residentBytes(pid, withChildren)]),
  );
}

function judge(looks: readonly Look[], minutes: number) {
  const kept = looks.filter(({ minute }) => minute >= minutes * WARM_UP);
  const names = Object.keys(kept[0]?.bytes ?? {});
  const slopes = names.map((name) => [name, slopeOf(kept, name)] as const);
  const text = slopes
    .map(([name, slope]) => `${name} ${(slope / 1e6).toFixed(2)} MB a minute`)
    .join(", ");
  const node = slopes.find(([name]) => name === "node")?.[1] ?? 0;
  return { text, isGrowing: minutes >= JUDGED_MINUTES && node >= GROWTH_MAX };
}

/** Bytes a minute, by least squares. */
function slopeOf(looks: readonly Look[], name: string): number {
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const x = mean(looks.map(({ minute }) => minute));
  const y = mean(looks.map(({ bytes }) => bytes[name] ?? 0));
  let products = 0;
  let squares = 0;
  for (const { minute, bytes } of looks) {
    products += (minute - x) * ((bytes[name] ?? 0) - y);
    squares += (minute - x) ** 2;
  }
  return squares > 0 ? products / squares : 0;
}
