/** Gives the memory back that only the start needed. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * Runs one full collection that also returns free pages, about 50 ms: call it before the first
 * request. Measured: 170 MiB resident after the start, 130 MiB after this. The difference is garbage
 * of loading modules and opening everything; V8 would keep the pages as room to grow, and an idle
 * process never asks.
 */
export function releaseStartMemory(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (options: {
    readonly type: "major";
    readonly execution: "sync";
    readonly flavor: "last-resort";
  }) => void;
  collect({ type: "major", execution: "sync", flavor: "last-resort" });
  setFlagsFromString("--no-expose-gc");
}
