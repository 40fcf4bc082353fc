/** How long the disk takes to keep 4 KiB: below every single push that is answered when stored. */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Milliseconds of write and fdatasync, appended to one file. */
export function measureDiskSync(count = 200): { p50: number; p99: number } {
  const folder = mkdtempSync(join(tmpdir(), "tributary-bench-"));
  const file = openSync(join(folder, "file"), "a");
  const block = Buffer.alloc(4096, 1);
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const startedAt = performance.now();
    writeSync(file, block);
    fdatasyncSync(file);
    times.push(performance.now() - startedAt);
  }
  closeSync(file);
  rmSync(folder, { recursive: true });
  times.sort((a, b) => a - b);
  return { p50: times[count >> 1]!, p99: times[Math.floor(count * 0.99)]! };
}
