/** How far a long task is. */
import type { Task_State as State } from "#gen/tributary/management/v1/task_pb.js";
import { TASK_STATES } from "../api/tasks.ts";

/** A bar with the same in words. The bar runs without an end while the whole is not known. */
export function Progress(props: {
  readonly what: string;
  readonly done: bigint;
  readonly total: bigint | undefined;
}) {
  const { what, done, total } = props;
  const isKnown = total !== undefined && total > 0n;
  return (
    <p>
      <progress
        aria-label={what}
        {...(isKnown && { value: Number(done > total ? total : done), max: Number(total) })}
      />{" "}
      {done.toLocaleString()}
      {isKnown && ` of ${total.toLocaleString()}`}
    </p>
  );
}

/** The state of a task at a glance. */
export function TaskBadge({ state }: { readonly state: State }) {
  const [text, kind] = TASK_STATES[state];
  return <span className={`badge ${kind}`}>{text}</span>;
}
