/** Compares a project's push latency with and without a neighbour far above its quota. */
import { setTimeout as sleep } from "node:timers/promises";
import { call, createStream } from "./api.ts";
import { pushPaced, startPacedChild } from "./paced-pushes.ts";
import type { TestServer } from "./server.ts";

/** Records a second that the neighbour may push; it pushes ten times as many. */
const QUOTA = 20;
/** Records a second of the other project. */
const QUIET_RATE = 200;
const SLICE_MS = 500;
/** Between slices: what was begun in one does not reach into the next. */
const SETTLING_MS = 100;

/** What came of it. */
export interface NeighbourResult {
  /** Of each pair: p99 beside the noisy neighbour, by p99 without it. */
  readonly ratios: readonly number[];
  readonly medianRatio: number;
  /** Upper end of the 95 % interval of the median ratio, by bootstrap. */
  readonly upperBound: number;
  readonly quietP99Ms: number;
  readonly noisyP99Ms: number;
  /** Answers to the neighbour, by status. */
  readonly refused: number;
  readonly accepted: number;
  /** Answers to the quiet project other than 200. */
  readonly failed: number;
}

/**
 * Runs `pairs` pairs, each of `slices` slices without the neighbour and as many beside it. A pair's p99
 * is taken over all its slices of a kind: a disk that stalls for a second meets both alike.
 */
export async function compareBesideNoise(
  server: TestServer,
  { pairs, slices }: { readonly pairs: number; readonly slices: number },
): Promise<NeighbourResult> {
  const streams: string[] = [];
  for (const id of ["quiet", "noisy"]) {
    await call(server, "management.v1.ProjectService/CreateProject", {
      projectId: id,
      project: {},
    });
    streams.push(
      await createStream(server, "s", { fields: { n: "LONG" }, project: `projects/${id}` }),
    );
  }
  const [quiet = "", noisy = ""] = streams;
  await call(server, "management.v1.InstallationService/UpdateProjectQuotas", {
    name: "projects/noisy",
    quotas: { recordsPerSecond: String(QUOTA) },
  });
  const token = await server.token();
  const plan = { url: server.url, token };
  const child = startPacedChild({ ...plan, stream: noisy, perSecond: QUOTA * 10 });
  const answered: Record<string, number> = {};
  let failed = 0;
  const slice = async (isNoisy: boolean) => {
    if (isNoisy) child.on();
    await sleep(SETTLING_MS);
    const answers = await pushPaced(
      { ...plan, stream: quiet, perSecond: QUIET_RATE },
      AbortSignal.timeout(SLICE_MS),
    );
    if (isNoisy) {
      for (const [status, count] of Object.entries(await child.off())) {
        answered[status] = (answered[status] ?? 0) + count;
      }
    }
    failed += answers.filter((answer) => answer.status !== 200).length;
    return answers.map((answer) => answer.tookMs);
  };
  const pairOf = async (): Promise<{ quiet: number; noisy: number }> => {
    const tookMs: { quiet: number[]; noisy: number[] } = { quiet: [], noisy: [] };
    for (let nth = 0; nth < slices; nth++) {
      for (const isNoisy of nth % 2 === 0 ? [false, true] : [true, false]) {
        tookMs[isNoisy ? "noisy" : "quiet"].push(...(await slice(isNoisy)));
      }
    }
    return { quiet: percentile(tookMs.quiet, 0.99), noisy: percentile(tookMs.noisy, 0.99) };
  };
  try {
    await slice(true);
    await slice(false);
    const found: { quiet: number; noisy: number }[] = [];
    for (let pair = 0; pair < pairs; pair++) found.push(await pairOf());
    const ratios = found.map((each) => each.noisy / each.quiet);
    return {
      ratios,
      medianRatio: percentile(ratios, 0.5),
      upperBound: boundOfMedian(ratios),
      quietP99Ms: percentile(
        found.map((each) => each.quiet),
        0.5,
      ),
      noisyP99Ms: percentile(
        found.map((each) => each.noisy),
        0.5,
      ),
      refused: answered["429"] ?? 0,
      accepted: answered["200"] ?? 0,
      failed,
    };
  } finally {
    child.close();
  }
}

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}

/** 97.5th percentile of the medians of 2,000 samples drawn with replacement. */
export function boundOfMedian(values: readonly number[]): number {
  const medians = Array.from({ length: 2_000 }, () => {
    const sample = values.map(() => values[Math.floor(Math.random() * values.length)] ?? 0);
    return percentile(sample, 0.5);
  });
  return percentile(medians, 0.975);
}
