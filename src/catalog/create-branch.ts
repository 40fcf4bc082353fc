/** CreateBranch: an empty log, or one that begins with the records of another. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Branch, Branch_State, BranchSchema } from "#gen/tributary/management/v1/stream_pb.js";
import type { CreateBranchRequest } from "#gen/tributary/management/v1/stream_service_pb.js";
import { Task_Kind } from "#gen/tributary/management/v1/task_pb.js";
import { failFields, notFound } from "../core/errors.ts";
import { formatName, ID_PATTERN, parseName } from "../core/names.ts";
import type { Queries } from "../db/client.ts";
import { type Catalog, checkName, chooseId, insertNamed } from "./catalog.ts";
import type { CopyInput } from "./copy-branch.ts";
import { type BranchRow, chooseShard, findReadyBranch, insertBranch } from "./log-store.ts";
import { lockStream, type StreamRow } from "./stream-store.ts";
import { insertTask, taskNameOf } from "./task-store.ts";

/** Makes a branch and, where records are to be copied, the task that does it. */
export async function createBranch(
  catalog: Catalog,
  request: CreateBranchRequest,
): Promise<Branch> {
  const { parent, branchId, copyOf } = request;
  const [project = "", stream = ""] = parseName(checkName(parent, "stream"), "stream") ?? [];
  const id = chooseId("branch_id", branchId, "");
  if (copyOf !== "" && !ID_PATTERN.test(copyOf)) {
    throw failFields([{ field: "copy_of", description: "is not the id of a branch such as main" }]);
  }
  const name = formatName("branch", project, stream, id);
  const { database, shards } = catalog;
  const shard = await database.acrossProjects((queries) => chooseShard(queries, shards));
  const row = await insertNamed({ name, field: "branch_id" }, () =>
    database.inProject(name, async (queries) => {
      // Locked, so that a change of generation seals this log or comes after it.
      const parentRow = await lockStream(queries, parent);
      if (!parentRow) throw notFound(parent);
      const taskUid = catalog.makeUid();
      const made = {
        uid: catalog.makeUid(),
        projectUid: parentRow.projectUid,
        streamUid: parentRow.uid,
        name,
        branchId: id,
        shard,
        createTime: new Date(catalog.now()),
        state: copyOf === "" ? Branch_State.READY : Branch_State.COPYING,
        copyOf,
        taskName: copyOf === "" ? "" : taskNameOf(`projects/${project}`, taskUid),
      };
      await insertBranch(queries, made);
      if (copyOf !== "") await insertCopy(catalog, queries, { parentRow, made, taskUid });
      return made;
    }),
  );
  await catalog.refresh();
  if (copyOf !== "") catalog.wakeTasks();
  return create(BranchSchema, branchFields(row));
}

async function insertCopy(
  { logs }: Catalog,
  queries: Queries,
  { parentRow, made, taskUid }: { parentRow: StreamRow; made: BranchRow; taskUid: string },
): Promise<void> {
  const sourceName = `${parentRow.name}/branches/${made.copyOf}`;
  const source = await findReadyBranch(queries, sourceName);
  if (!source) throw notFound(sourceName);
  const place = { uid: source.uid, shard: source.shard };
  const input: CopyInput = {
    stream: parentRow.name,
    source: place,
    target: { uid: made.uid, shard: made.shard },
    until: (await logs.info(place)).lastSequence,
  };
  await insertTask(queries, {
    uid: taskUid,
    project: made.taskName.slice(0, made.taskName.indexOf("/tasks/")),
    projectUid: made.projectUid,
    kind: Task_Kind.COPY_BRANCH,
    resource: made.name,
    input: { ...input },
    createTime: made.createTime,
  });
}

/** What the row says of a branch. */
export function branchFields(row: BranchRow) {
  return {
    name: row.name,
    uid: row.uid,
    createTime: timestampFromDate(row.createTime),
    state: row.state as Branch_State,
    copyOf: row.copyOf,
    task: row.taskName,
  };
}
