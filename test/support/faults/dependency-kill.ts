/** Kills the embedded nats-server or Postgres of a server under load. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Verdict } from "../history.ts";
import { type Load, startLoad } from "../load.ts";
import { openRig } from "../rig.ts";
import { embeddedPid, type TestServer, waitFor } from "../server.ts";
import { moreAcked } from "./outage.ts";

/** What came of it. */
export interface DependencyKillResult {
  readonly verdict: Verdict;
  /** Milliseconds from each kill to the next OK of a push. */
  readonly recoveriesMs: readonly number[];
  /** The longest attempt of all. */
  readonly slowestMs: number;
  readonly surprises: readonly string[];
  readonly refusals: Readonly<Record<string, number>>;
}

/** Kills it `kills` times with -9; the server starts it again by itself. */
export async function killDependencyUnderLoad(
  server: TestServer,
  name: "nats" | "postgres",
  kills: number,
): Promise<DependencyKillResult> {
  const rig = await openRig({
    target: server,
    id: `kill${name}`,
    databaseUrl: server.env.SINK_DATABASE_URL ?? "",
  });
  const load = startLoad({ target: server, stream: rig.stream });
  const recoveriesMs: number[] = [];
  try {
    for (let kill = 0; kill < kills; kill++) {
      await waitFor(moreAcked(load, 200), { timeoutMs: 30_000, what: "the load to run" });
      await sleep(Math.random() * 300);
      const before = embeddedPid(server.dataDir, name);
      process.kill(before, "SIGKILL");
      const killedAt = performance.now();
      await waitFor(() => embeddedPid(server.dataDir, name) !== before, {
        what: `${name} to be started again`,
      });
      await waitFor(moreAcked(load, 20), { timeoutMs: 30_000, what: "pushes to work again" });
      recoveriesMs.push(performance.now() - killedAt);
    }
    await load.stop();
    const verdict = await rig.settle(load, 60_000);
    return { verdict, recoveriesMs, surprises: load.surprises, ...describeAttempts(load) };
  } finally {
    await load.stop(0);
    await rig.close();
  }
}

function describeAttempts(load: Load): Pick<DependencyKillResult, "slowestMs" | "refusals"> {
  const refusals: Record<string, number> = {};
  let slowestMs = 0;
  for (const { status, reason, tookMs } of load.attempts) {
    slowestMs = Math.max(slowestMs, tookMs);
    if (status !== 200)
      refusals[`${status} ${reason}`] = (refusals[`${status} ${reason}`] ?? 0) + 1;
  }
  return { slowestMs, refusals };
}
