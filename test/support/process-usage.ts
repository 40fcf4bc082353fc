/** Memory and processor time of a process, from /proc; Linux only. */
import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks a second; the same on every Linux that Node runs on. */
const TICKS = 100;

/** Resident bytes. */
export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib) * 1024;
}

/** Seconds of processor time, user and system, of all threads. */
export function processorSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second field is a name in brackets that may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Seconds of processor time of a process and of its children, those that have ended included. */
export function familySeconds(pid: number): number {
  let seconds = 0;
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const isOwn = Number(name) === pid;
      if (!isOwn && Number(fields[1]) !== pid) continue;
      // The third and fourth are those of children that were waited for.
      const ticks = [11, 12, ...(isOwn ? [13, 14] : [])].map((i) => Number(fields[i]));
      seconds += ticks.reduce((sum, each) => sum + each, 0) / TICKS;
    } catch {
      // It has ended meanwhile.
    }
  }
  return seconds;
}
