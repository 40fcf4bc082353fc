/** Does something bad again and again under load, at random moments. */
import { setTimeout as sleep } from "node:timers/promises";
import { waitFor } from "../server.ts";
import { moreAcked } from "./outage.ts";
import type { Scene } from "./scene.ts";

/** What is done and how often. */
export interface KillPlan {
  readonly kills: number;
  /** Records that are acknowledged before each, at least. */
  readonly recordsBetween: number;
  /** Does it, and has it mended. */
  readonly kill: (nth: number) => Promise<void>;
  /** How long pushes may take to work again; 60 s. */
  readonly recoveryMs?: number;
}

/** Gives the milliseconds from the beginning of each until pushes worked again. */
export async function killUnderLoad(scene: Scene, plan: KillPlan): Promise<number[]> {
  const recoveriesMs: number[] = [];
  for (let nth = 0; nth < plan.kills; nth++) {
    await waitFor(moreAcked(scene.load, plan.recordsBetween), {
      timeoutMs: 120_000,
      what: "the load to run",
    });
    await sleep(Math.random() * 300);
    const beganAtMs = performance.now();
    await plan.kill(nth);
    await waitFor(moreAcked(scene.load, 20), {
      timeoutMs: plan.recoveryMs ?? 60_000,
      what: () => `pushes to work again: ${JSON.stringify(refusalsSince(scene, beganAtMs))}`,
    });
    recoveriesMs.push(performance.now() - beganAtMs);
  }
  return recoveriesMs;
}

/** How the attempts since then ended, by status and reason. */
function refusalsSince({ load }: Scene, sinceMs: number): Record<string, number> {
  const ends: Record<string, number> = {};
  for (const { atMs, status, reason } of load.attempts) {
    if (atMs < sinceMs) continue;
    const end = `${status} ${reason}`;
    ends[end] = (ends[end] ?? 0) + 1;
  }
  return ends;
}

/** The largest of them. */
export function longest(figures: readonly number[]): number {
  return figures.reduce((most, figure) => Math.max(most, figure), 0);
}
