/** Compares a project's push latency with and without a neighbour far above its quota. */
import { setTimeout as sleep } from "node:timers/promises";
import { call, createStream } from "./api.ts";
import { pushPaced, startPacedChild } from "./paced-pushes.ts";
import type { TestServer } from "./server.ts";

/** Records a second that the neighbour may push; it pushes ten times as many. */
const QUOTA = 20;

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

/** Runs `pairs` pairs of two halves of `halfMs`, the order within a pair alternating. */
export async function compareBesideNoise(
  server: TestServer,
  { pairs, halfMs }: { readonly pairs: number; readonly halfMs: number },
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
  const half = async (isNoisy: boolean, ms = halfMs) => {
    if (isNoisy) {
      child.on();
      await sleep(300);
    }
    const answers = await pushPaced(
      { ...plan, stream: quiet, perSecond: 100 },
      AbortSignal.timeout(ms),
    );
    if (isNoisy) {
      for (const [status, count] of Object.entries(await child.off())) {
        answered[status] = (answered[status] ?? 0) + count;
      }
    }
    failed += answers.filter((answer) => answer.status !== 200).length;
    return percentile(
      answers.map((answer) => answer.tookMs),
      0.99,
    );
  };
  try {
    await half(true, 1_000);
    await half(false, 1_000);
    const found: { quiet: number; noisy: number }[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      const isNoisyFirst = pair % 2 === 0;
      const first = await half(isNoisyFirst);
      const second = await half(!isNoisyFirst);
      found.push(isNoisyFirst ? { noisy: first, quiet: second } : { noisy: second, quiet: first });
    }
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
function boundOfMedian(values: readonly number[]): number {
  const medians = Array.from({ length: 2_000 }, () => {
    const sample = values.map(() => values[Math.floor(Math.random() * values.length)] ?? 0);
    return percentile(sample, 0.5);
  });
  return percentile(medians, 0.975);
}
