/** A bounded pool of threads that evaluate templates, so that whoever asks never waits for one. */
import type { Limits } from "./limits.ts";
import type { Batch, Failure, Outcome } from "./pool-message.ts";
import { openThread, type PoolThread, type ThreadOptions } from "./pool-thread.ts";

export type { Failure, Outcome } from "./pool-message.ts";
export type { HostModule } from "./pool-worker.ts";

/** How a pool works. */
export interface PoolOptions {
  /** Threads at most; they are started when needed. */
  readonly threads: number;
  /** Batches that wait at most; one more is refused. */
  readonly queue: number;
  /** Milliseconds a batch may take, waiting aside. The budgets stop templates long before. */
  readonly batchMs: number;
  /** MiB of heap of each thread. */
  readonly memoryMb: number;
  /** URL of a module that exports a HostModule; code cannot be sent to a thread otherwise. */
  readonly functions?: string;
  readonly limits?: Partial<Limits>;
  /** Makes one cheap message of the records of a batch, for `createContexts` of the HostModule. */
  readonly pack?: (records: readonly unknown[]) => unknown;
}

/** Threads that evaluate batches. */
export interface Pool {
  /**
   * Evaluates every template for every record: `outcomes[record][template]`. A template that overruns
   * the time ends as a failure, the rest is evaluated in another thread. Throws PoolBusyError when too
   * many batches wait.
   */
  evaluate(templates: readonly string[], records: readonly unknown[]): Promise<Outcome[][]>;
  /** Stops all threads; batches under way are refused. */
  close(): Promise<void>;
}

/** Too many batches wait: try again later, or have more threads. */
export class PoolBusyError extends Error {
  override readonly name = "PoolBusyError";
}

/** Items of one batch that may overrun; after that, the rest of the batch fails as well. */
const OVERRUNS_MAX = 3;

/** Opens a pool; no thread runs before the first batch. */
export function createPool(options: PoolOptions): Pool {
  const { batchMs, memoryMb, functions, limits = {}, pack = (records) => records } = options;
  const threadOptions: ThreadOptions = { batchMs, memoryMb, functions, limits };
  const idle: PoolThread[] = [];
  const all = new Set<PoolThread>();
  const waiting: { start: (thread: PoolThread) => void; refuse: (error: Error) => void }[] = [];
  let closed = false;

  const take = (): Promise<PoolThread> => {
    if (closed) return Promise.reject(new Error("The pool is closed."));
    const thread = idle.pop() ?? (all.size < options.threads ? start() : undefined);
    if (thread) return Promise.resolve(thread);
    if (waiting.length >= options.queue) {
      return Promise.reject(new PoolBusyError(`${options.queue} batches are waiting already.`));
    }
    const { promise, resolve, reject } = Promise.withResolvers<PoolThread>();
    waiting.push({ start: resolve, refuse: reject });
    return promise;
  };
  const start = (): PoolThread => {
    const thread = openThread(threadOptions);
    all.add(thread);
    return thread;
  };
  const giveBack = (thread: PoolThread) => {
    const next = waiting.shift();
    if (next) next.start(thread);
    else idle.push(thread);
  };
  const replace = async (thread: PoolThread) => {
    all.delete(thread);
    await thread.close();
    if (!closed && waiting.length > 0) giveBack(start());
  };
  const runOnce = async (batch: Batch) => {
    const thread = await take();
    try {
      const end = await thread.run(batch);
      if ("answer" in end) giveBack(thread);
      else await replace(thread);
      return end;
    } catch (error) {
      await replace(thread);
      throw error;
    }
  };

  return {
    async evaluate(templates, records) {
      const packed = pack(records);
      const failures = new Map<number, Failure>();
      while (failures.size <= OVERRUNS_MAX) {
        const end = await runOnce({
          templates,
          records: packed,
          stopped: new Set(failures.keys()),
        });
        if ("answer" in end) {
          const outcome = (item: number): Outcome => {
            const made = end.answer[item];
            if (typeof made === "string") return { json: made };
            return { failure: made ?? (failures.get(item) as Failure) };
          };
          return arrange(templates, records, outcome);
        }
        failures.set(end.stoppedAt, overrun(end.reason, batchMs));
      }
      const failure = overrun("time", batchMs);
      return arrange(templates, records, () => ({ failure }));
    },
    async close() {
      closed = true;
      for (const { refuse } of waiting.splice(0)) refuse(new Error("The pool is closed."));
      await Promise.all([...all].map((thread) => thread.close()));
    },
  };
}

function arrange(
  templates: readonly string[],
  records: readonly unknown[],
  outcome: (item: number) => Outcome,
): Outcome[][] {
  return records.map((_, row) => templates.map((_, i) => outcome(row * templates.length + i)));
}

function overrun(limit: "time" | "allocation", batchMs: number): Failure {
  const reason =
    limit === "time"
      ? `The template was stopped: its batch took more than ${batchMs} ms.`
      : "The template was stopped: its thread ran out of memory.";
  return { kind: "limit", message: reason, reason, limit };
}
