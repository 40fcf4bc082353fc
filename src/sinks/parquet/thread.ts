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

type Answer = { readonly file: ParquetFile } | { readonly fault: string };

/**
 * Makes a file; one at a time, in the order of asking. Rejects when a file takes longer than a minute
 * or more than 512 MiB, and when the signal aborts before its turn.
 */
export type ParquetMaker<Job> = (job: Job, signal: AbortSignal) => Promise<ParquetFile>;

/** Files of rows of JSON. */
export const encodeParquet = createMaker<ParquetJob>(
  new URL(`./worker.${EXTENSION}`, import.meta.url),
);

/** A maker whose thread runs the module at this address; nothing runs before the first file. */
export function createMaker<Job>(moduleUrl: URL): ParquetMaker<Job> {
  let worker: Worker | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let idle: NodeJS.Timeout | undefined;
  const end = (thread: Worker) => {
    if (worker === thread) worker = undefined;
    // A thread that is being ended has nobody to tell of its faults.
    thread.on("error", () => undefined);
    thread.terminate().catch(() => undefined);
  };
  const make = async (job: Job): Promise<ParquetFile> => {
    clearTimeout(idle);
    worker ??= new Worker(moduleUrl, {
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
    });
    const thread = worker;
    thread.ref();
    try {
      const answer = await ask(thread, job);
      if ("fault" in answer) throw new Error(answer.fault);
      return answer.file;
    } catch (error) {
      end(thread);
      throw error;
    } finally {
      thread.unref();
      idle = setTimeout(() => end(thread), IDLE_MS);
      idle.unref();
    }
  };
  return (job, signal) => {
    const result = last.then(() => {
      signal.throwIfAborted();
      return make(job);
    });
    last = result.catch(() => undefined);
    return result;
  };
}

async function ask(thread: Worker, job: unknown): Promise<Answer> {
  const answered = Promise.withResolvers<Answer>();
  const fail = (error: Error) => answered.reject(error);
  const exit = () => fail(new Error("the thread of Parquet files has ended"));
  const late = () => fail(new Error("a Parquet file took too long"));
  thread.on("message", answered.resolve).on("error", fail).on("exit", exit);
  const timer = setTimeout(late, JOB_TIMEOUT_MS);
  try {
    thread.postMessage(job);
    return await answered.promise;
  } finally {
    clearTimeout(timer);
    thread.off("message", answered.resolve).off("error", fail).off("exit", exit);
  }
}
