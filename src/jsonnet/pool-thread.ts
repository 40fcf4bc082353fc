/** One worker thread of a pool, with a limit of time for each batch. */
import { Worker } from "node:worker_threads";
import type { Answer, Batch, WorkerData } from "./pool-message.ts";

/** How threads are started. */
export interface ThreadOptions extends Omit<WorkerData, "progress"> {
  readonly batchMs: number;
  readonly memoryMb: number;
}

/** How a batch ended: answered, or stopped while the item at that index was under way. */
export type BatchEnd =
  | { readonly answer: Answer }
  | { readonly stoppedAt: number; readonly reason: "time" | "allocation" };

/** A thread that takes one batch at a time. Once it stopped a batch, it is of no more use. */
export interface PoolThread {
  run(batch: Batch): Promise<BatchEnd>;
  close(): Promise<void>;
}

/** Stack for the depth budget many times over. */
const STACK_MB = 8;

/** Milliseconds a thread has to load its modules. */
const START_MS = 30_000;

const EXTENSION = import.meta.url.endsWith(".ts") ? "ts" : "js";
const WORKER_URL = new URL(`./pool-worker.${EXTENSION}`, import.meta.url);

/** Starts a thread. It sees nothing of the environment, and holds nothing open when it is idle. */
export function openThread({ batchMs, memoryMb, functions, limits }: ThreadOptions): PoolThread {
  const progress = new SharedArrayBuffer(4);
  const workerData: WorkerData = { functions, limits, progress };
  const worker = new Worker(WORKER_URL, {
    workerData,
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: memoryMb, stackSizeMb: STACK_MB },
  });
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => undefined);
  let broken: Error | undefined;
  let pending: PromiseWithResolvers<BatchEnd> | undefined;
  const stop = (reason: "time" | "allocation") => {
    const stoppedAt = Atomics.load(new Int32Array(progress), 0);
    pending?.resolve({ stoppedAt, reason });
    return worker.terminate();
  };
  const fail = (error: Error) => {
    broken ??= error;
    ready.reject(broken);
    pending?.reject(broken);
  };
  worker.once("message", () => {
    ready.resolve();
    worker.on("message", (answer: Answer) => pending?.resolve({ answer }));
  });
  worker.on("error", (error: Error & { code?: string }) => {
    if (error.code === "ERR_WORKER_OUT_OF_MEMORY") void stop("allocation");
    fail(error);
  });
  worker.on("exit", () => fail(new Error("The thread has ended.")));
  worker.unref();

  return {
    async run(batch) {
      worker.ref();
      // Loading the modules is no fault of the batch, so its time begins when the thread is ready.
      const starting = setTimeout(() => void worker.terminate(), START_MS);
      await ready.promise.finally(() => clearTimeout(starting));
      if (broken) throw broken;
      const own = Promise.withResolvers<BatchEnd>();
      pending = own;
      const timer = setTimeout(() => void stop("time"), batchMs);
      worker.postMessage(batch);
      return own.promise.finally(() => {
        clearTimeout(timer);
        worker.unref();
        pending = undefined;
      });
    },
    async close() {
      await worker.terminate();
    },
  };
}
