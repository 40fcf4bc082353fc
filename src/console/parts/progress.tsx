/** How far a long task is. */
import type { Task_State as State } from "#gen/tributary/management/v1/task_pb.js";
import { TASK_STATES } from "../api/tasks.ts";
import { whole } from "./figures.ts";

/** A bar with the same in words. The bar runs without an end while the whole is not known. */
export function Progress(props: {
  readonly what: string;
  readonly done: bigint;
  readonly total: bigint | undefined;
  /** How a count is written, such as in bytes. */
  readonly figure?: (count: bigint) => string;
}) {
  const { what, done, total, figure = whole } = props;
  const isKnown = total !== undefined && total > 0n;
  return (
    <p>
      <progress
        aria-label={what}
        {...(isKnown && { value: Number(done > total ? total : done), max: Number(total) })}
      />{" "}
      {figure(done)}
      {isKnown && ` of ${figure(total)}`}
    </p>
  );
}

/** The state of a task at a glance. */
export function TaskBadge({ state }: { readonly state: State }) {
  const [text, kind] = TASK_STATES[state];
  return <span className={`badge ${kind}`}>{text}</span>;
}
