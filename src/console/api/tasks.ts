/** Long work of the server, in words, and how it is ended. */
import { createClient } from "@connectrpc/connect";
import { Task_State as State } from "#gen/tributary/management/v1/task_pb.js";
import { TaskService } from "#gen/tributary/management/v1/task_service_pb.js";
import { transport } from "./transport.ts";

/** Calls of tasks. */
export const tasks = createClient(TaskService, transport);

/** A word and a colour for each state. */
export const TASK_STATES: Readonly<{ [S in State]: readonly [string, string] }> = {
  [State.STATE_UNSPECIFIED]: ["Unknown", ""],
  [State.PENDING]: ["Waits", ""],
  [State.RUNNING]: ["Runs", ""],
  [State.SUCCEEDED]: ["Done", "good"],
  [State.FAILED]: ["Failed", "bad"],
  [State.CANCELLED]: ["Cancelled", "warn"],
};

/** Whether a task goes on by itself. */
export function isUnderWay(state: State): boolean {
  return state === State.PENDING || state === State.RUNNING;
}
