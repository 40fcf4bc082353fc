/** TaskService: what became of long changes. */
import type { ServiceImpl } from "@connectrpc/connect";
import { Task_State } from "#gen/tributary/management/v1/task_pb.js";
import type {
  ListTasksRequest,
  TaskService,
} from "#gen/tributary/management/v1/task_service_pb.js";
import { fail, notFound } from "../core/errors.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import { type Catalog, checkName } from "./catalog.ts";
import { cursorOf } from "./newest-first.ts";
import { findProject } from "./project-store.ts";
import { findTask, listTaskRows, taskFromRow, wantCancel } from "./task-store.ts";

/** The rpcs of TaskService. */
export function createTaskService(catalog: Catalog): ServiceImpl<typeof TaskService> {
  return {
    async getTask({ name }) {
      checkName(name, "task");
      const row = await catalog.database.inProject(name, (queries) => findTask(queries, name));
      if (!row) throw notFound(name);
      return { task: taskFromRow(row) };
    },
    listTasks: (request) => list(catalog, request),
    cancelTask: async ({ name }) => ({ task: await cancel(catalog, name) }),
  };
}

async function list({ database }: Catalog, request: ListTasksRequest) {
  const parent = checkName(request.parent, "project");
  const page = readPageRequest(`tasks of ${parent}`, request);
  const rows = await database.inProject(parent, async (queries) => {
    const project = await findProject(queries, parent);
    if (!project) throw notFound(parent);
    return await listTaskRows(queries, project.uid, page);
  });
  const { rows: shown, nextPageToken } = makePage(page, rows, cursorOf);
  return { tasks: shown.map(taskFromRow), nextPageToken };
}

async function cancel({ database, wakeTasks }: Catalog, name: string) {
  checkName(name, "task");
  const row = await database.inProject(name, async (queries) => {
    const found = await findTask(queries, name);
    if (!found) throw notFound(name);
    if (found.state === Task_State.CANCELLED) return found;
    const asked = await wantCancel(queries, name);
    if (!asked) throw fail("WRONG_STATE", `${name} has ended: there is nothing to cancel`);
    return asked;
  });
  wakeTasks();
  return taskFromRow(row);
}
