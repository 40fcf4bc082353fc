/**
 * Makes Parquet files in a thread of its own, for a file takes hundreds of milliseconds and pushes must
 * not wait for it. The thread starts with the first file and ends when none was wanted for a while.
 */
import { Worker } from "node:worker_threads";
import type { ParquetFile, ParquetJob } from "./job.ts";

const JOB_TIMEOUT_MS = 60_000;
const IDLE_MS = 30_000;
const MEMORY_MB = 512;
const EXTENSION = import.meta.url.endsWith(".ts") ? "ts" : "js";
const WORKER_URL = new URL(`./worker.${EXTENSION}`, import.meta.url);

type Answer = { readonly file: ParquetFile } | { readonly fault: string };

let worker: Worker | undefined;
let last: Promise<unknown> = Promise.resolve();
let idle: NodeJS.Timeout | undefined;

/**
 * Makes a file; one at a time, in the order of asking. Rejects when a file takes longer than a minute
 * or more than 512 MiB, and when the signal aborts before its turn.
 */
export function encodeParquet(job: ParquetJob, signal: AbortSignal): Promise<ParquetFile> {
  const result = last.then(() => {
    signal.throwIfAborted();
    return encodeNow(job);
  });
  last = result.catch(() => undefined);
  return result;
}

async function encodeNow(job: ParquetJob): Promise<ParquetFile> {
  clearTimeout(idle);
  worker ??= new Worker(WORKER_URL, {
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
  });
  const thread = worker;
  thread.ref();
  const answered = Promise.withResolvers<Answer>();
  const fail = (error: Error) => answered.reject(error);
  const exit = () => answered.reject(new Error("the thread of Parquet files has ended"));
  thread.once("message", answered.resolve).once("error", fail).once("exit", exit);
  const timer = setTimeout(() => {
    fail(new Error("a Parquet file took too long"));
    end(thread);
  }, JOB_TIMEOUT_MS);
  try {
    thread.postMessage(job);
    const answer = await answered.promise;
    if ("fault" in answer) throw new Error(answer.fault);
    return answer.file;
  } catch (error) {
    end(thread);
    throw error;
  } finally {
    clearTimeout(timer);
    thread.off("message", answered.resolve).off("error", fail).off("exit", exit);
    thread.unref();
    idle = setTimeout(() => end(thread), IDLE_MS);
    idle.unref();
  }
}

function end(thread: Worker): void {
  if (worker === thread) worker = undefined;
  // A thread that is being ended has nobody to tell of its faults.
  thread.on("error", () => undefined);
  thread.terminate().catch(() => undefined);
}
