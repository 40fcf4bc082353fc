/** A load on one stream with a Postgres and a webhook sink, and what must hold of it after a fault. */
import { expect } from "vitest";
import { countsOf, getSink, listAll, type SinkView } from "../api.ts";
import { checkHistory, faultsOf, type Verdict } from "../history.ts";
import { type Load, type LoadOptions, startLoad } from "../load.ts";
import { type Receiver, startReceiver } from "../receiver.ts";
import { acceptedRows, openRig, type RigOptions, settleTable } from "../rig.ts";
import { type Target, waitFor } from "../server.ts";
import { printFigures } from "./figures.ts";
import { repeatedRequests } from "./server-kill.ts";

/** How a scene is set. */
export interface SceneOptions extends Omit<RigOptions, "receiver"> {
  readonly load?: Partial<LoadOptions>;
  /** Where the webhook sends instead of the receiver itself: a proxy before it. */
  readonly webhookUrl?: (receiver: Receiver) => string;
}

/** What came of it. */
export interface Outcome {
  readonly log: Verdict;
  readonly table: Verdict;
  readonly webhook: Verdict;
  /** Webhook requests that came more than once, and those that changed under one id. */
  readonly repeatedRequests: number;
  readonly changedRequests: readonly string[];
  /** Requests whose signature did not hold. */
  readonly badSignatures: readonly string[];
  /** What is wrong with the ledgers of the sinks (D3). */
  readonly ledger: readonly string[];
  /** The longest that the webhook got nothing while it lacked something, in milliseconds. */
  readonly stalledMs: number;
  /** Answers to the writers that no fault explains. */
  readonly surprises: readonly string[];
}

/** The scene. */
export interface Scene {
  readonly stream: string;
  readonly receiver: Receiver;
  readonly load: Load;
  readonly sinks: readonly SinkView[];
  /** Ends the load, waits for the sinks and judges. The addresses are those of now, after restarts. */
  finish(now?: { databaseUrl?: string; timeoutMs?: number }): Promise<Outcome>;
  /** Ends what is left. */
  close(): Promise<void>;
}

/** Makes stream and sinks, and starts the load. */
export async function openScene(options: SceneOptions): Promise<Scene> {
  const { target, id = "load" } = options;
  const receiver = await startReceiver();
  const seen = options.webhookUrl
    ? Object.defineProperty(Object.create(receiver) as Receiver, "url", {
        value: options.webhookUrl(receiver),
      })
    : receiver;
  const rig = await openRig({ ...options, receiver: seen });
  receiver.secret = rig.webhookSink?.webhook?.signingSecret;
  await rig.close();
  const load = startLoad({ target, stream: rig.stream, ...options.load });
  const stalls = watchStalls(load, receiver);
  const sinks = [rig.postgresSink, ...(rig.webhookSink ? [rig.webhookSink] : [])];
  return {
    stream: rig.stream,
    receiver,
    load,
    sinks,
    async finish({ databaseUrl = options.databaseUrl, timeoutMs = 90_000 } = {}) {
      await load.stop(60_000);
      const table = await settleTable(databaseUrl, load.history, { table: id, timeoutMs });
      const webhook = () => checkHistory(load.history, acceptedRows(receiver));
      await untilWhole(() => webhook().lost.length === 0, timeoutMs);
      const log = checkHistory(load.history, await readLog(target, rig.stream));
      const ledger = await checkLedgers(target, sinks, { pushed: log.stored, timeoutMs });
      return {
        log,
        table,
        webhook: webhook(),
        ledger,
        badSignatures: receiver.faults,
        surprises: load.surprises,
        stalledMs: stalls.longestMs(),
        ...repeatedRequests(receiver),
      };
    },
    async close() {
      stalls.end();
      await load.stop(0);
      await receiver.close();
    },
  };
}

/** Watches for how long the webhook gets nothing although something was acknowledged that it lacks. */
function watchStalls(load: Load, receiver: Receiver): { longestMs(): number; end(): void } {
  let [requests, sinceMs, longestMs] = [0, performance.now(), 0];
  const timer = setInterval(() => {
    const nowMs = performance.now();
    const isMoving = receiver.requests.length > requests;
    requests = receiver.requests.length;
    const records = receiver.requests.reduce((sum, { records }) => sum + records.length, 0);
    if (isMoving || records >= load.history.count("ok")) sinceMs = nowMs;
    longestMs = Math.max(longestMs, nowMs - sinceMs);
  }, 500);
  return { longestMs: () => longestMs, end: () => clearInterval(timer) };
}

/** Records of a load as the log has them, oldest first. */
export async function readLog(target: Target, stream: string) {
  const records = await listAll(target, stream);
  return records.map(({ value }) => ({ key: String(value.key), n: Number(value.n) }));
}

/** Waits until pushed = delivered + … of each sink, with nothing pending; gives what is wrong then. */
export async function checkLedgers(
  target: Target,
  sinks: readonly SinkView[],
  { pushed, timeoutMs }: { readonly pushed: number; readonly timeoutMs: number },
): Promise<string[]> {
  let wrong: string[] = [];
  const judge = async () => {
    wrong = [];
    for (const { name } of sinks) {
      const counts = await countsOf(target, name).catch((error: unknown) => ({
        error: String(error),
      }));
      const whole = { delivered: pushed, pushed, pending: 0, held: 0, expired: 0, filtered: 0 };
      const isExact = Object.entries(whole).every(
        ([count, value]) => (counts as Record<string, unknown>)[count] === value,
      );
      if (isExact) continue;
      const { status } = await getSink(target, name).catch(() => ({ status: undefined }));
      const { state = "?", reason = "", cause = "" } = status ?? {};
      wrong.push(
        `${name}: ${state} ${reason} ${cause} ${JSON.stringify(counts)}, stored ${pushed}`,
      );
    }
    return wrong.length === 0;
  };
  await untilWhole(judge, timeoutMs);
  return wrong;
}

/** Prints the figures, and fails on every miss: a webhook may get a request again, with the same id. */
export function expectWhole(
  fault: string,
  outcome: Outcome,
  { faults, more = {} }: { readonly faults: number; readonly more?: object },
): void {
  const { log, table, webhook, ledger } = outcome;
  printFigures(
    fault,
    { faults, log, sinks: { postgres: table, webhook }, ledger },
    { repeatedRequests: outcome.repeatedRequests, stalledMs: outcome.stalledMs, ...more },
  );
  for (const line of ledger) process.stderr.write(`${line}\n`);
  expect(outcome.surprises).toEqual([]);
  expect(faultsOf(log)).toEqual({});
  expect(faultsOf(table)).toEqual({});
  expect(faultsOf(webhook, { dup: true })).toEqual({});
  expect(outcome.changedRequests).toEqual([]);
  expect(outcome.badSignatures).toEqual([]);
  expect(ledger).toEqual([]);
}

/** Waits; what does not come is the judge's to tell. */
async function untilWhole(condition: () => boolean | Promise<boolean>, timeoutMs: number) {
  await waitFor(condition, { timeoutMs, everyMs: 250 }).catch(() => undefined);
}
