/** What /proc says of processes, and on which CPUs they run. Linux only, as the benchmarks are. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";

/** Clock ticks of /proc/<pid>/stat; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Whether processes can be bound to CPUs here. */
export const canPin = cpus().length > 1 && spawnSync("taskset", ["-V"]).status === 0;

/** CPU of the server and of all others. */
export const SERVER_CPU = 0;
export const OTHER_CPU = 1;

/** Binds a process with its threads, and its children, to a CPU, where that is possible. */
export function pin(pid: number, cpu: number, { withChildren = true } = {}): void {
  if (!canPin) return;
  for (const each of withChildren ? [pid, ...descendants(pid)] : [pid]) {
    spawnSync("taskset", ["-a", "-p", "-c", String(cpu), String(each)]);
  }
}

/** CPU seconds of a process, and of its children when `withChildren`. */
export function cpuSeconds(pid: number, withChildren = false): number {
  const pids = withChildren ? [pid, ...descendants(pid)] : [pid];
  return pids.reduce((sum, each) => sum + ticksOf(each), 0) / TICKS_PER_SECOND;
}

/**
 * Resident bytes. With children: the proportional share of each, so that memory which Postgres'
 * processes have in common counts once.
 */
export function residentBytes(pid: number, withChildren = false): number {
  if (!withChildren) return kilobytes(`/proc/${pid}/status`, /^VmRSS:\s+(\d+)/m) * 1024;
  const pids = [pid, ...descendants(pid)];
  return (
    pids.reduce((sum, each) => sum + kilobytes(`/proc/${each}/smaps_rollup`, /^Pss:\s+(\d+)/m), 0) *
    1024
  );
}

function ticksOf(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // Ended children that were waited for are in the third and fourth of these.
  return [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i] ?? 0), 0);
}

function descendants(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = read(`/proc/${name}/stat`);
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  const visit = (parent: number) => {
    for (const child of children.get(parent) ?? []) {
      found.push(child);
      visit(child);
    }
  };
  visit(pid);
  return found;
}

function kilobytes(file: string, pattern: RegExp): number {
  return Number(pattern.exec(read(file))?.[1] ?? 0);
}

/** Empty for a process that has ended meanwhile. */
function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
