/** What a project that posts 16 MiB bodies and holds 1,000 connections costs the single pushes of another. */
import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { boundOfMedian, type OwnProject, openProject } from "../test/support/noisy-neighbour.ts";
import { waitFor } from "../test/support/server.ts";
import type { HogPlan, HogResult } from "./load/hog-load.ts";
import { runLoad } from "./load/run-load.ts";
import { OTHER_CPU, pin } from "./processes.ts";
import { describeMachine, type Measurement, type Report } from "./report.ts";
import { type BenchOptions, openRig, type Rig } from "./rig.ts";

const PAIRS = 10;
const POSTERS = 2;
const CONNECTIONS = 1_000;
/** Single pushes of the other project: a rate that leaves room, so that the price is not just the CPU's. */
const RATE = 500;
const CALLERS = 16;

interface LoopDelay {
  /** In milliseconds. */
  readonly max: number;
  readonly p999: number;
}

/** Runs interleaved pairs; the ratios are of the quiet project's p99 and rate. */
export async function benchFairness(options: BenchOptions): Promise<Report> {
  const file = join(tmpdir(), `loop-delay-${process.pid}.json`);
  process.env.LOOP_DELAY_FILE = file;
  const rig = await openRig(options, `--import ${join(import.meta.dirname, "loop-delay.ts")}`);
  delete process.env.LOOP_DELAY_FILE;
  const quiet = await openProject(rig.server, "quiet", { n: "LONG" });
  const greedy = await openProject(rig.server, "greedy", { n: "LONG", text: "STRING" });
  const hog = startHog(rig, greedy);
  try {
    const slice = async (isBeside: boolean) => {
      if (isBeside) hog.on();
      await sleep(500);
      await readLoopDelay(rig, file);
      const measured = await measure(rig, quiet, { seconds: options.seconds, isBeside });
      const delay = await readLoopDelay(rig, file);
      return { measured, delay, hog: isBeside ? await hog.off() : undefined };
    };
    await slice(true);
    const alone: Awaited<ReturnType<typeof slice>>[] = [];
    const beside: typeof alone = [];
    for (let pair = 0; pair < PAIRS; pair++) {
      for (const isBeside of pair % 2 === 0 ? [false, true] : [true, false]) {
        (isBeside ? beside : alone).push(await slice(isBeside));
      }
    }
    const ratios = (of: (each: Measurement) => number) =>
      beside.map(({ measured }, i) => of(measured) / of(alone[i]!.measured));
    return {
      title: "Fairness",
      notes: [
        ...describeMachine(),
        `single pushes of one project, ${RATE} a second, alone and beside another with ${POSTERS} posters of bodies of 15.5 MiB and ${CONNECTIONS} connections; ${PAIRS} interleaved pairs`,
        describeRatio(
          "p99",
          ratios((each) => each.p99 ?? 0),
        ),
        describeRatio(
          "time a push at the rate",
          ratios((each) => 1 / each.recordsPerSecond),
        ),
        `delay of the event loop, the highest: alone ${describeDelay(alone)}, beside ${describeDelay(beside)} ms (median and highest of the slices); allowed are 25 ms`,
        `answers to the posters: ${JSON.stringify(sumAnswers(beside.map((each) => each.hog)))}; connections open at the end of a slice: ${Math.min(...beside.map((each) => each.hog?.open ?? 0))}`,
      ],
      measurements: [...alone, ...beside].map(({ measured }) => measured),
    };
  } finally {
    hog.close();
    rmSync(file, { force: true });
    await rig.close();
  }
}

async function measure(
  rig: Rig,
  { stream, token }: OwnProject,
  { seconds, isBeside }: { readonly seconds: number; readonly isBeside: boolean },
): Promise<Measurement> {
  const { hostname, port } = new URL(rig.server.url);
  const result = await runLoad(
    {
      protocol: "http1",
      host: hostname,
      port: Number(port),
      path: `/v1/${stream}/records`,
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      bodies: [{ body: Buffer.from('[{"value":{"n":1}}]').toString("base64") }],
      callers: CALLERS,
      perSecond: RATE,
      warmUpMs: 500,
      measureMs: seconds * 1_000,
    },
    rig.processes,
  );
  const rate = result.calls / result.seconds;
  const name = isBeside ? "single pushes beside the greedy project" : "single pushes alone";
  return { ...result, name, callsPerSecond: rate, recordsPerSecond: rate };
}

function startHog({ server }: Rig, { stream, token }: OwnProject) {
  const { hostname: host, port } = new URL(server.url);
  const plan: HogPlan = {
    host,
    port: Number(port),
    token,
    stream,
    posters: POSTERS,
    connections: CONNECTIONS,
  };
  const file = join(import.meta.dirname, "load/hog-load.ts");
  const child = spawn(process.execPath, [file, JSON.stringify(plan)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  pin(child.pid!, OTHER_CPU);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    on: () => void child.stdin.write("on\n"),
    async off(): Promise<HogResult> {
      child.stdin.write("off\n");
      return JSON.parse((await lines.next()).value ?? "{}") as HogResult;
    },
    close: () => void child.kill("SIGKILL"),
  };
}

/** What the server's event loop was late by since the last look. */
async function readLoopDelay({ server }: Rig, file: string): Promise<LoopDelay> {
  rmSync(file, { force: true });
  server.child.kill("SIGUSR2");
  const text = await waitFor(() => readIfWhole(file), { what: "the delay of the event loop" });
  return JSON.parse(text) as LoopDelay;
}

function readIfWhole(file: string): string | undefined {
  try {
    const text = readFileSync(file, "utf8");
    return text.endsWith("}") ? text : undefined;
  } catch {
    return undefined;
  }
}

function describeRatio(what: string, ratios: readonly number[]): string {
  const median = ratios.toSorted((a, b) => a - b)[ratios.length >> 1] ?? 0;
  return `${what} beside, by that alone: median ${median.toFixed(2)}, 95 % bound ${boundOfMedian(ratios).toFixed(2)}; allowed are 1.15`;
}

function describeDelay(slices: readonly { readonly delay: LoopDelay }[]): string {
  const sorted = slices.map(({ delay }) => delay.max).sort((a, b) => a - b);
  return `${(sorted[sorted.length >> 1] ?? 0).toFixed(1)} and ${(sorted.at(-1) ?? 0).toFixed(1)}`;
}

function sumAnswers(results: readonly (HogResult | undefined)[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const result of results) {
    for (const [status, count] of Object.entries(result?.answers ?? {})) {
      sums[status] = (sums[status] ?? 0) + count;
    }
  }
  return sums;
}
