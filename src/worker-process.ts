/** The side of a worker process: what the first process tells it, and what it tells back. */
import type { WorkerTask } from "./app/workers.ts";

/** The first process, as its worker sees it. */
export interface FirstProcess {
  readonly task: WorkerTask;
  /** Tells it that calls are taken. From now on `drain` runs, once, when it ends or closes the channel. */
  ready(drain: () => void): void;
}

/** Waits for the first message. Until there is something to drain, this process ends with the first one. */
export function meetFirstProcess(): Promise<FirstProcess> {
  return new Promise((resolve, reject) => {
    if (!process.connected) {
      reject(new Error("--as-worker is for processes that `tributary serve --workers` starts"));
      return;
    }
    let onEnd: () => void = () => process.exit(1);
    process.once("disconnect", () => onEnd());
    const ready = (drain: () => void) => {
      onEnd = drain;
      process.send?.("ready");
    };
    process.once("message", (message) => resolve({ task: message as WorkerTask, ready }));
  });
}
