/** Runs a load generator beside the processes that it loads, and watches those. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { cpuSeconds, OTHER_CPU, pin, residentBytes } from "../processes.ts";
import type { LoadPlan, LoadResult } from "./load.ts";

/** A process under watch. */
export interface Watched {
  readonly name: string;
  readonly pid: number;
  readonly withChildren?: boolean;
}

/** What processes used while something was measured. */
export interface Usage {
  /** CPU seconds a second, by process name: 1 is a whole core. */
  readonly cores: Readonly<Record<string, number>>;
  /** Highest resident bytes seen, by process name. */
  readonly peakBytes: Readonly<Record<string, number>>;
}

/** Watches processes until `end`. */
export function watch(processes: readonly Watched[]): { end(): Usage } {
  const startedAt = performance.now();
  const before = processes.map((each) => cpuSeconds(each.pid, each.withChildren));
  const peaks = processes.map((each) => residentBytes(each.pid, each.withChildren));
  const look = () => {
    for (const [i, each] of processes.entries()) {
      peaks[i] = Math.max(peaks[i]!, residentBytes(each.pid, each.withChildren));
    }
  };
  const timer = setInterval(look, 250);
  return {
    end() {
      clearInterval(timer);
      look();
      const seconds = (performance.now() - startedAt) / 1000;
      const entries = processes.map((each, i) => {
        const used = cpuSeconds(each.pid, each.withChildren) - before[i]!;
        return [each.name, used / seconds] as const;
      });
      return {
        cores: Object.fromEntries(entries),
        peakBytes: Object.fromEntries(processes.map((each, i) => [each.name, peaks[i]!])),
      };
    },
  };
}

/** Runs the plan in a child process on the CPU of the others. */
export async function runLoad(
  plan: LoadPlan,
  processes: readonly Watched[],
): Promise<LoadResult & Usage> {
  const file = join(import.meta.dirname, `${plan.protocol}-load.ts`);
  const child = spawn(process.execPath, [file], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(JSON.stringify(plan));
  const pid = child.pid!;
  pin(pid, OTHER_CPU);
  let watching: ReturnType<typeof watch> | undefined;
  let result: LoadResult | undefined;
  let usage: Usage = { cores: {}, peakBytes: {} };
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === "begin") watching = watch([...processes, { name: "load", pid }]);
    else {
      usage = watching?.end() ?? usage;
      result = JSON.parse(line) as LoadResult;
    }
  }
  if (!result) throw new Error(`the load generator for ${plan.path} ended without a result`);
  return { ...result, ...usage };
}
