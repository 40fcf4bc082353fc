/** Tasks in the database. Leases are compared with the clock of Postgres, which all nodes share. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { and, eq, inArray, isNull, lt, lte, or, sql } from "drizzle-orm";
import {
  type Task,
  type Task_Kind,
  Task_State,
  TaskSchema,
} from "#gen/tributary/management/v1/task_pb.js";
import type { PageRequest } from "../core/page-token.ts";
import type { Queries } from "../db/client.ts";
import { tasks } from "../db/schema.ts";
import { newestFirst } from "./newest-first.ts";

/** A row of `tasks`. */
export type TaskRow = typeof tasks.$inferSelect;

/** What is new about a task. */
export interface NewTask {
  readonly uid: string;
  /** `projects/{p}`. */
  readonly project: string;
  readonly projectUid: string;
  readonly kind: Task_Kind;
  /** Name of what it makes or changes. */
  readonly resource: string;
  /** JSON that the handler of the kind reads. */
  readonly input: Record<string, unknown>;
  /** What the handler needs that is secret, encrypted. */
  readonly sealed?: Uint8Array;
  readonly createTime: Date;
}

const OPEN_STATES = [Task_State.PENDING, Task_State.RUNNING];

/** Name of the task with this uid. */
export function taskNameOf(project: string, uid: string): string {
  return `${project}/tasks/${uid}`;
}

/** Keeps a task, in the transaction that makes its resource; it is worked on as soon as that commits. */
export async function insertTask(queries: Queries, task: NewTask): Promise<void> {
  const { project, createTime, ...rest } = task;
  await queries.insert(tasks).values({
    ...rest,
    name: taskNameOf(project, task.uid),
    state: Task_State.PENDING,
    done: 0,
    total: 0,
    error: "",
    attempts: 0,
    isCancelWanted: false,
    dueTime: createTime,
    createTime,
  });
}

/** The task of this name. */
export async function findTask(queries: Queries, name: string): Promise<TaskRow | undefined> {
  return (await queries.select().from(tasks).where(eq(tasks.name, name)))[0];
}

/** A page of the tasks of a project, newest first, with one row more than it holds. */
export async function listTaskRows(
  queries: Queries,
  projectUid: string,
  page: PageRequest,
): Promise<TaskRow[]> {
  const { where, orderBy, limit } = newestFirst(tasks, page, eq(tasks.projectUid, projectUid));
  return await queries
    .select()
    .from(tasks)
    .where(where)
    .orderBy(...orderBy)
    .limit(limit);
}

/** A page of the tasks of one kind on one resource, as `listTaskRows`. */
export async function listTasksOf(
  queries: Queries,
  { resource, kind }: { readonly resource: string; readonly kind: Task_Kind },
  page: PageRequest,
): Promise<TaskRow[]> {
  const condition = and(eq(tasks.resource, resource), eq(tasks.kind, kind));
  const { where, orderBy, limit } = newestFirst(tasks, page, condition);
  return await queries
    .select()
    .from(tasks)
    .where(where)
    .orderBy(...orderBy)
    .limit(limit);
}

/** Asks for the end of a task that has not ended; undefined when it has. */
export async function wantCancel(queries: Queries, name: string): Promise<TaskRow | undefined> {
  const isOpen = and(eq(tasks.name, name), inArray(tasks.state, OPEN_STATES));
  const dueTime = sql`least(${tasks.dueTime}, now())`;
  return (
    await queries.update(tasks).set({ isCancelWanted: true, dueTime }).where(isOpen).returning()
  )[0];
}

/** Who has a task, and for how long it says so. */
export interface Lease {
  readonly holder: string;
  readonly seconds: number;
}

const leaseEnd = ({ seconds }: Lease) => sql`now() + make_interval(secs => ${seconds})`;

/** Takes the task that waits longest; undefined when none does. */
export async function claimTask(queries: Queries, lease: Lease): Promise<TaskRow | undefined> {
  const isFree = or(isNull(tasks.leaseEndTime), lt(tasks.leaseEndTime, sql`now()`));
  const isDue = lte(tasks.dueTime, sql`now()`);
  const [found] = await queries
    .select({ uid: tasks.uid })
    .from(tasks)
    .where(and(inArray(tasks.state, OPEN_STATES), isDue, isFree))
    .orderBy(tasks.dueTime)
    .limit(1)
    .for("update", { skipLocked: true });
  if (!found) return undefined;
  const [row] = await queries
    .update(tasks)
    .set({
      state: Task_State.RUNNING,
      leaseHolder: lease.holder,
      leaseEndTime: leaseEnd(lease),
      attempts: sql`${tasks.attempts} + 1`,
      startTime: sql`coalesce(${tasks.startTime}, now())`,
    })
    .where(eq(tasks.uid, found.uid))
    .returning();
  return row;
}

/** Keeps the lease, and what the task has come to; undefined when another worker has it. */
export async function renewTask(
  queries: Queries,
  uid: string,
  { lease, ...step }: { readonly lease: Lease } & Partial<TaskRow>,
): Promise<TaskRow | undefined> {
  const isOurs = and(eq(tasks.uid, uid), eq(tasks.leaseHolder, lease.holder));
  return (
    await queries
      .update(tasks)
      .set({ ...step, leaseEndTime: leaseEnd(lease) })
      .where(isOurs)
      .returning()
  )[0];
}

/** Gives a task back: ended when `state` says so, else to be taken again `afterMs` from now. */
export async function releaseTask(
  queries: Queries,
  uid: string,
  { holder, state, error, afterMs = 0 }: TaskEnd & { readonly holder: string },
): Promise<TaskRow | undefined> {
  const hasEnded = !OPEN_STATES.includes(state);
  return (
    await queries
      .update(tasks)
      .set({
        state,
        error,
        leaseHolder: null,
        leaseEndTime: null,
        dueTime: sql`now() + make_interval(secs => ${afterMs / 1000})`,
        ...(hasEnded && { endTime: sql`now()` }),
        ...(state === Task_State.SUCCEEDED && {
          done: sql`greatest(${tasks.total}, ${tasks.done})`,
        }),
      })
      .where(and(eq(tasks.uid, uid), eq(tasks.leaseHolder, holder)))
      .returning()
  )[0];
}

/** What a worker leaves. */
export interface TaskEnd {
  readonly state: Task_State;
  readonly error: string;
  /** Wait before the next attempt; none when left out. */
  readonly afterMs?: number;
}

/** Deletes tasks that ended before a time. */
export async function forgetTasks(queries: Queries, before: Date): Promise<void> {
  await queries.delete(tasks).where(lt(tasks.endTime, before));
}

/** A task as callers see it. */
export function taskFromRow(row: TaskRow): Task {
  return create(TaskSchema, {
    name: row.name,
    kind: row.kind,
    resource: row.resource,
    state: row.state,
    done: BigInt(row.done),
    total: BigInt(row.total),
    error: row.error,
    attempts: row.attempts,
    cancelling: row.isCancelWanted && OPEN_STATES.includes(row.state),
    createTime: timestampFromDate(row.createTime),
    ...(row.startTime && { startTime: timestampFromDate(row.startTime) }),
    ...(row.endTime && { endTime: timestampFromDate(row.endTime) }),
  });
}
