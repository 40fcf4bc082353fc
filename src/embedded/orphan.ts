import { execFile } from "node:child_process";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { StartError } from "../core/start-error.ts";

const run = promisify(execFile);

/** What a running child is remembered by, so that a later process of ours can end it. */
interface ChildRecord {
  pid: number;
  /** When the process began, in the system's own words; tells it from a later one with its number. */
  began: string;
  stopSignal: NodeJS.Signals;
}

/** Writes down a child that was just started; `file` is in the data directory, one per server. */
export async function rememberChild(
  file: string,
  pid: number,
  stopSignal: NodeJS.Signals,
): Promise<void> {
  const began = await readBegin(pid);
  if (began === undefined) return;
  const record: ChildRecord = { pid, began, stopSignal };
  await writeFile(`${file}.new`, JSON.stringify(record), { mode: 0o600 });
  await rename(`${file}.new`, file);
}

/**
 * Ends the child that `file` names when its parent died without stopping it. A process that only has
 * the same number is left alone. Returns the pid that was ended, and throws when it will not end.
 */
export async function endOrphan(file: string, graceMs = 5_000): Promise<number | undefined> {
  const record = parseRecord(await readFile(file, "utf8").catch(() => ""));
  if (!record) return undefined;
  const isAlive = async () => (await readBegin(record.pid)) === record.began;
  if (!(await isAlive())) return undefined;
  for (const signal of [record.stopSignal, "SIGKILL"] as const) {
    signalProcess(record.pid, signal);
    const end = performance.now() + graceMs;
    while (performance.now() < end) {
      if (!(await isAlive())) {
        await rm(file, { force: true });
        return record.pid;
      }
      await delay(10);
    }
  }
  throw new StartError(`process ${record.pid}, left over from an earlier start, does not end`);
}

function parseRecord(text: string): ChildRecord | undefined {
  try {
    const value = JSON.parse(text) as Partial<ChildRecord>;
    const { pid, began, stopSignal } = value;
    if (typeof pid !== "number" || pid <= 1 || typeof began !== "string" || !stopSignal) return;
    return { pid, began, stopSignal };
  } catch {
    // Missing, or cut short by a crash: then there is nobody we could name.
    return undefined;
  }
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** When a process began, or undefined when there is none (a zombie counts as none). */
async function readBegin(pid: number): Promise<string | undefined> {
  if (process.platform !== "linux") {
    const answer = await run("ps", ["-o", "stat=,lstart=", "-p", String(pid)]).catch(() => null);
    const text = answer?.stdout.trim();
    return text && !text.startsWith("Z") ? text.slice(text.indexOf(" ")).trim() : undefined;
  }
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (!stat) return undefined;
  // proc(5): the name in brackets may hold anything, so count from its end: state is field 3, start 22.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return undefined;
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
  return `${boot.trim()} ${fields[19]}`;
}
