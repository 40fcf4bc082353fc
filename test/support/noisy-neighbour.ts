/**
 * What a project that is far above its quota costs another one.
 *
 * The neighbour pushes at its quota all the time, so that it has the same records accepted throughout;
 * in every other slice it sends ten times as much, and what is compared is the price of what is refused.
 * What its accepted records cost is reported beside it: pushes against a neighbour that does nothing.
 *
 * All its pushes come from one process, which wakes as often at either rate: a second process for what is
 * above the quota would wake a thousand times a second more, on the processor of nats-server and of the
 * caller that is measured, and its price would count as that of refusals. What all callers take of that
 * processor is reported for both kinds of slices.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { OTHER_CPU, pin, SERVER_CPU } from "../../bench/processes.ts";
import { call, createApplication, createGrant, createStream } from "./api.ts";
import { type PacedChild, startPacedChild } from "./paced-pushes.ts";
import { processorSeconds } from "./process-usage.ts";
import { fetchToken, type TestServer } from "./server.ts";

/** Slices alternate faster than a disk drifts. */
const SLICE_MS = 250;
/** Between slices: what was begun in one does not reach into the next. */
const SETTLING_MS = 50;

/** How far the neighbour goes in a slice. */
type Noise = "none" | "at its quota" | "over its quota";

/** What came of a comparison. */
export interface NeighbourResult {
  /** Of each pair: p99 beside the louder neighbour, by p99 beside the calmer one, each the median over slices. */
  readonly ratios: readonly number[];
  readonly medianRatio: number;
  /** Upper end of the 95 % interval of the median ratio, by bootstrap. */
  readonly upperBound: number;
  /** Medians over the pairs. */
  readonly calmP99Ms: number;
  readonly loudP99Ms: number;
  /** Pushes of the other project in each half of a pair. */
  readonly samples: number;
  /** Answers to the neighbour, in the louder slices. */
  readonly refused: number;
  readonly accepted: number;
  /** Answers to the other project than 200. */
  readonly failed: number;
  /** Processor time of the server for each refused call, in microseconds. */
  readonly refusedMicros: number;
  /** Part of their processor that the callers took, in the calmer and in the louder slices. */
  readonly callersCalm: number;
  readonly callersLoud: number;
}

/** Two projects of a server, and processes that push to them. */
export interface Neighbourhood {
  /**
   * Runs `pairs` pairs, each of `slices` slices of both kinds. The p99 of a half is the median of the
   * p99s of its slices: a disk that stalls makes that of the slice it falls into, whoever pushes.
   */
  compare(
    calm: Noise,
    loud: Noise,
    size: { readonly pairs: number; readonly slices: number },
  ): Promise<NeighbourResult>;
  close(): void;
}

/** Makes the projects and starts the processes; nothing is pushed yet. */
export async function openNeighbourhood(
  server: TestServer,
  {
    quota,
    rate,
  }: {
    /** Records a second that the neighbour may push; it pushes ten times as many. */
    readonly quota: number;
    /** Records a second of the other project. */
    readonly rate: number;
  },
): Promise<Neighbourhood> {
  const quiet = await openProject(server, "quiet", { n: "LONG" });
  const noisy = await openProject(server, "noisy", { n: "LONG" });
  await call(server, "management.v1.InstallationService/UpdateProjectQuotas", {
    name: "projects/noisy",
    quotas: { recordsPerSecond: String(quota) },
  });
  const start = ({ stream, token }: OwnProject, perSecond: number) =>
    startPacedChild({ url: server.url, token, stream, perSecond });
  const pushers: Pushers = {
    quiet: start(quiet, rate),
    noisy: start(noisy, quota),
  };
  pinAll(server, pushers);
  return {
    compare: (calm, loud, size) =>
      comparePairs({ ...size, pid: server.child.pid ?? 0, pushers, quota }, calm, loud),
    close: () => {
      for (const child of Object.values(pushers)) child.close();
    },
  };
}

/** Callers and log on another processor than the server, where there are two. */
function pinAll(server: TestServer, pushers: Pushers): void {
  const pid = server.child.pid ?? 0;
  pin(pid, OTHER_CPU);
  pin(pid, SERVER_CPU, { withChildren: false });
  for (const child of Object.values(pushers)) pin(child.pid, OTHER_CPU);
}

/** A project with a stream, and a token of an application of its own that may push to it. */
export interface OwnProject {
  readonly stream: string;
  readonly token: string;
}

/** Makes a project whose pushes count for itself alone. */
export async function openProject(
  server: TestServer,
  projectId: string,
  fields: Readonly<Record<string, string>>,
): Promise<OwnProject> {
  const project = `projects/${projectId}`;
  await call(server, "management.v1.ProjectService/CreateProject", { projectId, project: {} });
  const stream = await createStream(server, "s", { fields, project });
  const made = await createApplication(server, "pusher", undefined, project);
  await createGrant(server, stream, { clientId: made.clientId, role: "EDITOR" });
  const env = { CLIENT_ID: made.clientId, CLIENT_SECRET: made.clientSecret };
  return { stream, token: await fetchToken(server.url, env) };
}

interface Pushers {
  readonly quiet: PacedChild;
  /** The neighbour. */
  readonly noisy: PacedChild;
  readonly [name: string]: PacedChild;
}

interface Size {
  readonly pairs: number;
  readonly slices: number;
  readonly pid: number;
  readonly pushers: Pushers;
  /** Records a second that the neighbour may push. */
  readonly quota: number;
}

/** What was seen in slices of one kind. */
interface Seen {
  /** Of each slice. */
  p99sMs: number[];
  samples: number;
  failed: number;
  accepted: number;
  refused: number;
  processorSeconds: number;
  /** Of all callers. */
  callersSeconds: number;
  seconds: number;
}

async function comparePairs(size: Size, calm: Noise, loud: Noise): Promise<NeighbourResult> {
  const halves: { readonly calm: Seen; readonly loud: Seen }[] = [];
  // What is compiled and cached at the first calls belongs to no pair.
  await runSlice(size, loud, nothingSeen());
  await runSlice(size, calm, nothingSeen());
  for (let pair = 0; pair < size.pairs; pair++) {
    const half = { calm: nothingSeen(), loud: nothingSeen() };
    for (let nth = 0; nth < size.slices; nth++) {
      const calmFirst = (nth + pair) % 2 === 0;
      for (const isCalm of calmFirst ? [true, false] : [false, true]) {
        await runSlice(size, isCalm ? calm : loud, isCalm ? half.calm : half.loud);
      }
    }
    halves.push(half);
  }
  return describe(halves);
}

async function runSlice(size: Size, noise: Noise, seen: Seen): Promise<void> {
  const { quota } = size;
  const { quiet, noisy } = size.pushers;
  if (noise !== "none") noisy.on(noise === "over its quota" ? quota * 10 : quota);
  await sleep(SETTLING_MS);
  const before = usageOf(size);
  quiet.on();
  await sleep(SLICE_MS);
  const answers = await quiet.end();
  const after = usageOf(size);
  seen.processorSeconds += after.server - before.server;
  seen.callersSeconds += after.callers - before.callers;
  seen.seconds += after.seconds - before.seconds;
  seen.p99sMs.push(
    percentile(
      answers.map(({ tookMs }) => tookMs),
      0.99,
    ),
  );
  seen.samples += answers.length;
  seen.failed += answers.filter(({ status }) => status !== 200).length;
  if (noise === "none") return;
  const counts = await noisy.off();
  seen.accepted += counts["200"] ?? 0;
  seen.refused += counts["429"] ?? 0;
}

function usageOf({ pid, pushers }: Size) {
  return {
    server: processorSeconds(pid),
    callers: processorSeconds(pushers.quiet.pid) + processorSeconds(pushers.noisy.pid),
    seconds: performance.now() / 1000,
  };
}

function nothingSeen(): Seen {
  return {
    ...{ p99sMs: [], samples: 0, failed: 0, accepted: 0, refused: 0 },
    ...{ processorSeconds: 0, callersSeconds: 0, seconds: 0 },
  };
}

function describe(
  halves: readonly { readonly calm: Seen; readonly loud: Seen }[],
): NeighbourResult {
  const p99s = halves.map(({ calm, loud }) => ({
    calm: percentile(calm.p99sMs, 0.5),
    loud: percentile(loud.p99sMs, 0.5),
  }));
  const ratios = p99s.map(({ calm, loud }) => loud / calm);
  const sum = (kind: "calm" | "loud", figure: Exclude<keyof Seen, "p99sMs">) =>
    halves.reduce((total, half) => total + half[kind][figure], 0);
  const refusedMore = sum("loud", "refused") - sum("calm", "refused");
  const processorMore = sum("loud", "processorSeconds") - sum("calm", "processorSeconds");
  return {
    ratios,
    medianRatio: percentile(ratios, 0.5),
    upperBound: boundOfMedian(ratios),
    calmP99Ms: percentile(
      p99s.map(({ calm }) => calm),
      0.5,
    ),
    loudP99Ms: percentile(
      p99s.map(({ loud }) => loud),
      0.5,
    ),
    samples: Math.min(...halves.map(({ calm, loud }) => Math.min(calm.samples, loud.samples))),
    refused: sum("loud", "refused"),
    accepted: sum("loud", "accepted"),
    failed: sum("calm", "failed") + sum("loud", "failed"),
    refusedMicros: refusedMore > 0 ? (processorMore / refusedMore) * 1e6 : 0,
    callersCalm: sum("calm", "callersSeconds") / sum("calm", "seconds"),
    callersLoud: sum("loud", "callersSeconds") / sum("loud", "seconds"),
  };
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
