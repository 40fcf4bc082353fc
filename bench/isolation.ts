/** What one failing sink costs four healthy ones of the same stream: interleaved pairs with and without it. */
import { call, countsOf, createSink, createStream, getSink } from "../test/support/api.ts";
import { boundOfMedian } from "../test/support/noisy-neighbour.ts";
import { waitFor } from "../test/support/server.ts";
import { CALL, pushBacklog, startTaker } from "./backlog.ts";
import { watch } from "./load/run-load.ts";
import { FIELDS } from "./records.ts";
import { describeMachine, type Measurement, type Report } from "./report.ts";
import { type BenchOptions, openRig, type Rig } from "./rig.ts";

const PAIRS = 10;
const HEALTHY = 4;
/** Records of the backlog for each second that a slice is given; four sinks take each. */
const RECORDS_PER_SECOND = 10_000;
/** What the healthy ones may lose: the upper 95 % bound of the median ratio. */
export const RATIO_MAX = 1.15;
const SERVICE = "management.v1.SinkService";

interface Setup {
  readonly rig: Rig;
  readonly stream: string;
  readonly count: number;
  readonly healthy: string;
  readonly failing: string;
}

/** Runs the pairs; `errors` of the noisy row is 1 when the bound is passed. */
export async function benchIsolation(options: BenchOptions): Promise<Report> {
  const rig = await openRig(options);
  const takers = [startTaker("receiver.ts"), startTaker("receiver.ts", "500")] as const;
  try {
    const [healthy = "", failing = ""] = await Promise.all(
      takers.map(async ({ port }) => `http://127.0.0.1:${await port}/`),
    );
    const count = Math.ceil((options.seconds * RECORDS_PER_SECOND) / CALL) * CALL;
    const stream = await createStream(rig.server, "isolation", {
      fields: FIELDS,
      keyFields: ["sensor_id"],
    });
    await pushBacklog(rig, stream, count);
    const setup = { rig, stream, count, healthy, failing };
    // The first slices warm up what is compiled and cached.
    await slice(setup, true);
    await slice(setup, false);
    const alone: Measurement[] = [];
    const beside: Measurement[] = [];
    const ratios: number[] = [];
    for (let pair = 0; pair < PAIRS; pair++) {
      // The order alternates, so that what drifts counts for both.
      const order = pair % 2 === 0 ? [false, true] : [true, false];
      const rates = new Map<boolean, Measurement>();
      for (const isNoisy of order) rates.set(isNoisy, await slice(setup, isNoisy));
      alone.push(rates.get(false)!);
      beside.push(rates.get(true)!);
      ratios.push(rates.get(false)!.recordsPerSecond / rates.get(true)!.recordsPerSecond);
    }
    const bound = boundOfMedian(ratios);
    const median = ratios.toSorted((a, b) => a - b)[PAIRS >> 1]!;
    const errors = bound < RATIO_MAX ? 0 : 1;
    return {
      title: "Isolation",
      notes: [
        ...describeMachine(),
        `${HEALTHY} webhook sinks take a backlog of ${count.toLocaleString("en-US")} records each, alone and beside one whose endpoint answers 500 and that tries again every 100 ms; ${PAIRS} interleaved pairs`,
        `the healthy ones take ${((median - 1) * 100).toFixed(1)} % longer beside it (median), 95 % bound ${((bound - 1) * 100).toFixed(1)} %; allowed are ${((RATIO_MAX - 1) * 100).toFixed(0)} %`,
      ],
      measurements: [...alone, ...beside.map((each) => ({ ...each, errors: 0 }))].concat(
        errors > 0 ? [{ name: "the bound is passed", recordsPerSecond: 0, errors }] : [],
      ),
    };
  } finally {
    for (const taker of takers) taker.close();
    await rig.close();
  }
}

let slices = 0;

/** Makes the sinks, waits until the healthy ones have everything, and deletes them. */
async function slice(setup: Setup, isNoisy: boolean): Promise<Measurement> {
  const { rig, stream, count, healthy, failing } = setup;
  const { server } = rig;
  const number = slices++;
  const make = (id: string, url: string) =>
    createSink(server, stream, {
      id: `${id}-${number}`,
      start: { position: "EARLIEST" },
      webhook: { url },
      retry: { schedule: ["0.1s"] },
    });
  const names: string[] = [];
  if (isNoisy) names.push(await makeFailing(setup, `failing-${number}`, failing));
  const watching = watch(rig.processes);
  const startedAt = performance.now();
  const made = await Promise.all(
    Array.from({ length: HEALTHY }, (_, i) => make(`healthy-${i}`, healthy)),
  );
  await waitFor(
    async () => {
      const counts = await Promise.all(made.map(({ name }) => countsOf(server, name)));
      return counts.every(({ delivered = 0 }) => delivered >= count);
    },
    { timeoutMs: 180_000, what: "the healthy sinks to take the backlog", everyMs: 20 },
  );
  const recordsPerSecond = (HEALTHY * count) / ((performance.now() - startedAt) / 1000);
  const usage = watching.end();
  names.push(...made.map(({ name }) => name));
  for (const name of names) await call(server, `${SERVICE}/DeleteSink`, { name });
  const name = isNoisy ? "four healthy sinks beside a failing one" : "four healthy sinks alone";
  return { name, recordsPerSecond, ...usage };
}

/** A sink whose endpoint refuses everything, also the test at creation. */
async function makeFailing({ rig, stream }: Setup, sinkId: string, url: string): Promise<string> {
  const { sink } = await call<{ sink: { name: string } }>(rig.server, `${SERVICE}/CreateSink`, {
    parent: stream,
    sinkId,
    skipTest: true,
    sink: { start: { position: "EARLIEST" }, webhook: { url }, retry: { schedule: ["0.1s"] } },
  });
  // It has failed before, and only tries again.
  await waitFor(async () => (await getSink(rig.server, sink.name)).status?.state === "ERROR", {
    what: "the failing sink to be in ERROR",
  });
  return sink.name;
}
