/**
 * What one failing sink costs four healthy ones of the same stream: while these take a backlog, it is paused
 * and resumed every two seconds, so that what drifts, such as a disk, is the same for both halves of a pair.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { call, countsOf, createSink, createStream, getSink } from "../test/support/api.ts";
import { boundOfMedian } from "../test/support/noisy-neighbour.ts";
import { waitFor } from "../test/support/server.ts";
import { CALL, pushBacklog, startTaker } from "./backlog.ts";
import { type Usage, watch } from "./load/run-load.ts";
import { FIELDS } from "./records.ts";
import { describeMachine, type Measurement, type Report } from "./report.ts";
import { type BenchOptions, openRig, type Rig } from "./rig.ts";

const PAIRS = 40;
const HEALTHY = 4;
const SLICE_MS = 2_000;
/** From a change of the failing sink to the slice: what was under way belongs to neither half. */
const SETTLING_MS = 500;
/** Records of the backlog for each second; when the healthy sinks come near its end, others begin at its beginning. */
const RECORDS_PER_SECOND = 200_000;
/** What the healthy ones may lose: the upper 95 % bound of the median ratio. */
export const RATIO_MAX = 1.15;
const SERVICE = "management.v1.SinkService";

interface Setup {
  readonly rig: Rig;
  readonly stream: string;
  readonly healthy: string;
  /** Name of the failing sink. */
  readonly failing: string;
  readonly sliceMs: number;
  /** Records that each healthy sink may take. */
  readonly backlog: number;
}

/** Two slices side by side. */
interface Pair {
  readonly alone: Measurement;
  readonly beside: Measurement;
}

/** Runs the pairs; counts an error when the bound is passed. */
export async function benchIsolation(options: BenchOptions): Promise<Report> {
  const rig = await openRig(options);
  const takers = [startTaker("receiver.ts"), startTaker("receiver.ts", "500")] as const;
  try {
    const [healthy = "", failing = ""] = await Promise.all(
      takers.map(async ({ port }) => `http://127.0.0.1:${await port}/`),
    );
    const stream = await createStream(rig.server, "isolation", {
      fields: FIELDS,
      keyFields: ["sensor_id"],
    });
    const backlog = Math.ceil((options.seconds * RECORDS_PER_SECOND) / CALL) * CALL;
    await pushBacklog(rig, stream, backlog);
    const sliceMs = Math.min(SLICE_MS, options.seconds * 1_000);
    const name = await makeFailing(rig, stream, failing);
    const setup = { rig, stream, healthy, failing: name, sliceMs, backlog };
    return report(await runPairs(setup), setup);
  } finally {
    for (const taker of takers) taker.close();
    await rig.close();
  }
}

function report(pairs: readonly Pair[], { sliceMs, backlog }: Setup): Report {
  const rates = compare(
    pairs.map(({ alone, beside }) => alone.recordsPerSecond / beside.recordsPerSecond),
  );
  const cpu = compare(pairs.map(({ alone, beside }) => cpuOf(beside) / cpuOf(alone)));
  const errors = rates.bound < RATIO_MAX ? 0 : 1;
  const passed = { name: "the bound is passed", recordsPerSecond: 0, errors };
  return {
    title: "Isolation",
    notes: [
      ...describeMachine(),
      `${HEALTHY} webhook sinks take a backlog of ${backlog.toLocaleString("en-US")} records each; beside them one whose endpoint answers 500, and that tries again every 100 ms, is paused and resumed: ${pairs.length} pairs of slices of ${sliceMs / 1_000} s`,
      `the healthy ones take ${percent(rates.median)} longer beside it (median of the pairs), upper 95 % bound ${percent(rates.bound)}; allowed are ${percent(RATIO_MAX)}`,
      `CPU time of the node for each record that they took, all its other work included: ${percent(cpu.median)} more beside it, upper 95 % bound ${percent(cpu.bound)}`,
    ],
    measurements: [
      ...pairs.flatMap(({ alone, beside }) => [alone, beside]),
      ...(errors > 0 ? [passed] : []),
    ],
  };
}

function compare(ratios: readonly number[]): { readonly median: number; readonly bound: number } {
  const median = ratios.toSorted((a, b) => a - b)[ratios.length >> 1] ?? 0;
  return { median, bound: boundOfMedian(ratios) };
}

function percent(ratio: number): string {
  return `${((ratio - 1) * 100).toFixed(1)} %`;
}

/** CPU seconds of the node for a record. */
function cpuOf({ cores, recordsPerSecond }: Measurement): number {
  return (cores?.node ?? 0) / recordsPerSecond;
}

async function runPairs(setup: Setup): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (let run = 0; pairs.length < PAIRS; run++) {
    const names = await makeHealthy(setup, run);
    // The first pair warms up what is compiled and cached.
    let isWarm = run > 0;
    while (pairs.length < PAIRS) {
      const pair = await runPair(setup, names, pairs.length % 2 === 0);
      const least = Math.min(...(await deliveredOf(setup, names)));
      const perPair = (pair.alone.recordsPerSecond * 2 * setup.sliceMs) / 1_000 / HEALTHY;
      // A sink that came to the end of the backlog within the pair says nothing.
      if (least < setup.backlog && isWarm) pairs.push(pair);
      isWarm = true;
      if (least + 3 * perPair > setup.backlog) break;
    }
    await Promise.all(
      names.map((name) => call(setup.rig.server, `${SERVICE}/DeleteSink`, { name })),
    );
  }
  return pairs;
}

/** Every other pair begins with the failing sink, so that what drifts counts for both. */
async function runPair(
  setup: Setup,
  names: readonly string[],
  isAloneFirst: boolean,
): Promise<Pair> {
  if (isAloneFirst) {
    const alone = await slice(setup, names, false);
    return { alone, beside: await slice(setup, names, true) };
  }
  const beside = await slice(setup, names, true);
  return { alone: await slice(setup, names, false), beside };
}

async function slice(
  setup: Setup,
  names: readonly string[],
  isBeside: boolean,
): Promise<Measurement> {
  const { rig, failing, sliceMs } = setup;
  await call(rig.server, `${SERVICE}/${isBeside ? "ResumeSink" : "PauseSink"}`, { name: failing });
  await sleep(SETTLING_MS);
  const watching = watch(rig.processes);
  const before = await deliveredOf(setup, names);
  const startedAt = performance.now();
  await sleep(sliceMs);
  const after = await deliveredOf(setup, names);
  const seconds = (performance.now() - startedAt) / 1_000;
  const usage: Usage = watching.end();
  const name = isBeside ? "four healthy sinks beside a failing one" : "four healthy sinks alone";
  return { name, recordsPerSecond: (sum(after) - sum(before)) / seconds, ...usage };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

async function deliveredOf({ rig }: Setup, names: readonly string[]): Promise<number[]> {
  const counts = await Promise.all(names.map((name) => countsOf(rig.server, name)));
  return counts.map(({ delivered = 0 }) => delivered);
}

/** Makes the healthy sinks, and waits until each delivers. */
async function makeHealthy(setup: Setup, run: number): Promise<string[]> {
  const { rig, stream, healthy } = setup;
  const made = await Promise.all(
    Array.from({ length: HEALTHY }, (_, i) =>
      createSink(rig.server, stream, {
        id: `healthy-${run}-${i}`,
        start: { position: "EARLIEST" },
        webhook: { url: healthy },
      }),
    ),
  );
  const names = made.map(({ name }) => name);
  await waitFor(async () => (await deliveredOf(setup, names)).every((count) => count > 0), {
    what: "the healthy sinks to deliver",
  });
  return names;
}

/** A sink whose endpoint refuses everything, also the test at creation. */
async function makeFailing(rig: Rig, stream: string, url: string): Promise<string> {
  const { sink } = await call<{ sink: { name: string } }>(rig.server, `${SERVICE}/CreateSink`, {
    parent: stream,
    sinkId: "failing",
    skipTest: true,
    sink: { start: { position: "EARLIEST" }, webhook: { url }, retry: { schedule: ["0.1s"] } },
  });
  // It has failed before, and only tries again.
  await waitFor(async () => (await getSink(rig.server, sink.name)).status?.state === "ERROR", {
    what: "the failing sink to be in ERROR",
  });
  return sink.name;
}
