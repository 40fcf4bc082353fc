/**
 * Works on tasks, on every node and a few at once. A worker has a task by a lease that it renews; a
 * node that dies loses it, and the next one goes on from the position that was saved last.
 */
import { randomUUID } from "node:crypto";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Task_Kind, Task_State } from "#gen/tributary/management/v1/task_pb.js";
import type { Logger } from "../core/logger.ts";
import type { Database, Queries } from "../db/client.ts";
import {
  claimTask,
  forgetTasks,
  type Lease,
  releaseTask,
  renewTask,
  type TaskEnd,
  type TaskRow,
} from "./task-store.ts";

/** What a handler is given beside its task. */
export interface TaskWork {
  /** Ends the work: the node stops, another has the task, or somebody cancelled it. */
  readonly signal: AbortSignal;
  /** Saves where the task goes on, and how much is done. Fails when the task is not this worker's any more. */
  save(step: Pick<TaskRow, "position" | "done" | "total">): Promise<void>;
}

/** Does one kind of task. */
export interface TaskHandler {
  /**
   * Goes on from `task.position`; resolves when all is done. It may be called again after any of its
   * steps. A failure that may pass (a code such as UNAVAILABLE) is tried again, any other ends the task.
   */
  run(task: TaskRow, work: TaskWork): Promise<void>;
  /** Settles the resource before the task ends; may be called again, and then `state` may differ. */
  ended(queries: Queries, task: TaskRow, state: Task_State): Promise<void>;
}

/** What the runner works with. */
export interface TaskRunnerOptions {
  readonly database: Database;
  readonly logger: Logger;
  readonly handlers: Readonly<Partial<Record<Task_Kind, TaskHandler>>>;
  /** Called when a task has ended, to show what became of its resource. */
  readonly onEnded: () => Promise<void>;
  /** Tasks at once on this node; 2. */
  readonly concurrency?: number;
  /** How long a task stays with a worker that is not heard of; 10 s. */
  readonly leaseSeconds?: number;
}

/** The running workers. */
export interface TaskRunner {
  /** Looks for tasks now; by itself every 2 s. */
  wake(): void;
  /** Stops at the next step and gives the tasks back. Idempotent. */
  close(): Promise<void>;
}

const POLL_MS = 2_000;
const FORGET_EVERY_MS = 3_600_000;
const KEPT_MS = 30 * 86_400_000;
/** Attempts without any step forward before a task fails. */
const ATTEMPTS_MAX = 20;
const RETRY_MAX_MS = 60_000;

const PASSING: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.Aborted,
  Code.ResourceExhausted,
  Code.DeadlineExceeded,
]);

/** Why the signal of a task's work is aborted. */
const CANCELLED = Symbol("cancelled");

/** Starts the workers; their owner closes them. */
export function startTaskRunner(options: TaskRunnerOptions): TaskRunner {
  const { database, logger, concurrency = 2, leaseSeconds = 10 } = options;
  const lease: Lease = { holder: randomUUID(), seconds: leaseSeconds };
  const closing = new AbortController();
  const running = new Set<Promise<void>>();
  let looking: Promise<void> | undefined;
  let forgetAtMs = 0;
  const look = async () => {
    while (running.size < concurrency && !closing.signal.aborted) {
      const task = await database.acrossProjects((queries) => claimTask(queries, lease));
      if (!task) break;
      const work = workOn(options, task, { lease, closing: closing.signal }).catch(
        (error: unknown) => logger.warn("a task goes on later", { task: task.name, error }),
      );
      running.add(work);
      void work.finally(() => {
        running.delete(work);
        wake();
      });
    }
    if (Date.now() < forgetAtMs) return;
    forgetAtMs = Date.now() + FORGET_EVERY_MS;
    const before = new Date(Date.now() - KEPT_MS);
    await database.acrossProjects((queries) => forgetTasks(queries, before));
  };
  const wake = () => {
    if (closing.signal.aborted) return;
    looking ??= look()
      .catch((error: unknown) => logger.debug("tasks cannot be looked for", { error }))
      .finally(() => {
        looking = undefined;
      });
  };
  const timer = setInterval(wake, POLL_MS);
  timer.unref();
  wake();
  return {
    wake,
    async close() {
      closing.abort();
      clearInterval(timer);
      await looking;
      await Promise.all(running);
    },
  };
}

interface Hold {
  readonly lease: Lease;
  readonly closing: AbortSignal;
}

async function workOn(options: TaskRunnerOptions, task: TaskRow, hold: Hold): Promise<void> {
  const { database } = options;
  const { lease } = hold;
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, hold.closing]);
  const renew = async (step: Partial<TaskRow>) => {
    const row = await database.acrossProjects((queries) =>
      renewTask(queries, task.uid, { lease, ...step }),
    );
    if (!row) stop.abort(new Error("another worker has the task"));
    else if (row.isCancelWanted) stop.abort(CANCELLED);
  };
  const save = async (step: Partial<TaskRow>) => {
    signal.throwIfAborted();
    await renew({ ...step, attempts: 0, error: "" });
    signal.throwIfAborted();
  };
  const heartbeat = setInterval(
    () => {
      renew({}).catch((error: unknown) => {
        options.logger.debug("a task's lease was not renewed", { task: task.name, error });
      });
    },
    (lease.seconds * 1000) / 4,
  );
  heartbeat.unref();
  let end: TaskEnd;
  try {
    end = await runHandler(options, task, { signal, save });
  } finally {
    clearInterval(heartbeat);
  }
  await finish(options, task, { ...end, lease });
}

async function runHandler(
  { handlers }: TaskRunnerOptions,
  task: TaskRow,
  work: TaskWork,
): Promise<TaskEnd> {
  const cancelled = { state: Task_State.CANCELLED, error: "" };
  if (task.isCancelWanted) return cancelled;
  const handler = handlers[task.kind as Task_Kind];
  try {
    if (!handler) throw new Error("this version of the server knows no such kind of task");
    await handler.run(task, work);
    return { state: Task_State.SUCCEEDED, error: "" };
  } catch (error) {
    if (work.signal.reason === CANCELLED) return cancelled;
    if (work.signal.aborted) return { state: Task_State.PENDING, error: "" };
    const text = (error instanceof ConnectError ? error.rawMessage : String(error)).slice(0, 1_000);
    const mayPass = error instanceof ConnectError && PASSING.has(error.code);
    if (!mayPass || task.attempts >= ATTEMPTS_MAX) return { state: Task_State.FAILED, error: text };
    const afterMs = Math.min(500 * 2 ** task.attempts, RETRY_MAX_MS);
    return { state: Task_State.PENDING, error: text, afterMs };
  }
}

async function finish(
  { database, handlers, onEnded }: TaskRunnerOptions,
  task: TaskRow,
  { lease, ...end }: TaskEnd & { readonly lease: Lease },
): Promise<void> {
  if (end.state !== Task_State.PENDING) {
    // First, so that whoever sees the task's end can use what it made.
    const isOurs = await database.acrossProjects(async (queries) => {
      const row = await renewTask(queries, task.uid, { lease });
      if (row) await handlers[task.kind as Task_Kind]?.ended(queries, row, end.state);
      return row !== undefined;
    });
    if (!isOurs) return;
    await onEnded();
  }
  await database.acrossProjects((queries) =>
    releaseTask(queries, task.uid, { ...end, holder: lease.holder }),
  );
}
