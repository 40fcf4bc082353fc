/** MigrationService: from one sink to another at one sequence. */
import { createHash } from "node:crypto";
import { clone, create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { MigrationSchema } from "#gen/tributary/management/v1/migration_pb.js";
import type {
  CreateMigrationRequest,
  ListMigrationsRequest,
  MigrationService,
} from "#gen/tributary/management/v1/migration_service_pb.js";
import { SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Task_Kind, Task_State } from "#gen/tributary/management/v1/task_pb.js";
import { fail, failFields, notFound } from "../core/errors.ts";
import { projectOf, streamOf } from "../core/names.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import type { Principal } from "../core/principal.ts";
import { callerOf, checkName } from "./catalog.ts";
import { prepareSink } from "./create-sink.ts";
import { requireMovable } from "./migrate-task.ts";
import { migrationFromRow } from "./migration-view.ts";
import { cursorOf } from "./newest-first.ts";
import { sealSink } from "./sealed-sink.ts";
import type { SinkCatalog } from "./sink-catalog.ts";
import { requireTarget } from "./sink-circle.ts";
import { findSink, loadSink, lockSink, type SavedSink } from "./sink-store.ts";
import { newestVersion } from "./sink-view.ts";
import { findTask, insertTask, listTasksOf, type TaskRow, taskNameOf } from "./task-store.ts";

/** The rpcs of MigrationService. */
export function createMigrationService(catalog: SinkCatalog): ServiceImpl<typeof MigrationService> {
  return {
    async createMigration(request, context) {
      const caller = callerOf(context);
      return await createMigration(catalog, { request, caller, signal: context.signal });
    },
    getMigration: async ({ name }) => ({ migration: await getMigration(catalog, name) }),
    listMigrations: (request) => listMigrations(catalog, request),
  };
}

interface NewMigration {
  readonly request: CreateMigrationRequest;
  readonly caller: Principal;
  readonly signal: AbortSignal;
}

async function createMigration(catalog: SinkCatalog, { request, caller, signal }: NewMigration) {
  const name = checkName(request.parent, "sink");
  const { database, masterKey } = catalog;
  const source = await database.inProject(name, (queries) => loadSink(queries, masterKey, name));
  const uid = uidOf(catalog, source.row.uid, request.requestId);
  const taskName = taskNameOf(projectOf(name)!, uid);
  const known = await database.inProject(name, (queries) => findTask(queries, taskName));
  if (known && !request.validateOnly) return { migration: migrationFromRow(known) };
  requireMovable(source);
  const parent = streamOf(name)!;
  const sink = targetOf(request, source);
  await requireTarget(catalog, parent, sink, caller);
  const { sinkId, validateOnly } = request;
  const target = await prepareSink(catalog, { parent, sinkId, sink, validateOnly }, signal);
  if (validateOnly) {
    return { migration: create(MigrationSchema, { target: target.row.name, author: caller.id }) };
  }
  const row = await keep(catalog, { source, target, uid, author: caller.id });
  catalog.wakeTasks();
  return {
    migration: migrationFromRow(row),
    ...(target.signingSecret && { signingSecret: target.signingSecret }),
  };
}

/** The new sink, on the branch of the old one. */
function targetOf({ sink }: CreateMigrationRequest, { definition }: SavedSink) {
  const { branch } = definition.log;
  if (sink?.start) {
    const description = "is chosen by the migration: leave it out";
    throw failFields([{ field: "sink.start", description }]);
  }
  if (sink && sink.branch !== "" && sink.branch !== branch) {
    throw failFields([
      { field: "sink.branch", description: `must be ${branch}, as of the old sink` },
    ]);
  }
  return Object.assign(sink ? clone(SinkSchema, sink) : create(SinkSchema), { branch });
}

/** Keeps the task, unless the sink was moved or is being moved meanwhile. */
async function keep(
  { database, masterKey, now }: SinkCatalog,
  input: { source: SavedSink; target: SavedSink; uid: string; author: string },
): Promise<TaskRow> {
  const { source, target, uid, author } = input;
  const { name, projectUid } = source.row;
  const project = projectOf(name)!;
  return await database.inProject(name, async (queries) => {
    const locked = await lockSink(queries, name);
    if (locked?.uid !== source.row.uid) throw notFound(name);
    requireMovable({ ...source, row: locked });
    const page = { size: 10, after: undefined, list: "" };
    const others = await listTasksOf(queries, { resource: name, kind: Task_Kind.MIGRATE }, page);
    const open = others.find(({ state }) => OPEN.has(state));
    if (open) throw fail("WRONG_STATE", `${name} is being moved by ${open.name}`);
    const { sink } = newestVersion(target.definition);
    await insertTask(queries, {
      uid,
      project,
      projectUid,
      kind: Task_Kind.MIGRATE,
      resource: name,
      input: {
        source: name,
        sourceUid: source.row.uid,
        target: target.row.name,
        targetUid: target.row.uid,
        author,
      },
      sealed: sealSink(masterKey, { projectUid, sinkUid: target.row.uid }, sink),
      createTime: new Date(now()),
    });
    return (await findTask(queries, taskNameOf(project, uid)))!;
  });
}

const OPEN: ReadonlySet<number> = new Set([Task_State.PENDING, Task_State.RUNNING]);

function uidOf({ makeUid }: SinkCatalog, sinkUid: string, requestId: string): string {
  if (requestId === "") return makeUid();
  const digest = createHash("sha256").update(`migration ${sinkUid} ${requestId}`).digest("hex");
  return `m${digest.slice(0, 19)}`;
}

async function getMigration({ database }: SinkCatalog, name: string) {
  const [, sink = "", uid = ""] = /^(.+)\/migrations\/([a-z0-9]{1,63})$/.exec(name) ?? [];
  if (sink === "") throw notFound(name);
  checkName(sink, "sink");
  const taskName = taskNameOf(projectOf(sink)!, uid);
  const row = await database.inProject(sink, (queries) => findTask(queries, taskName));
  if (row?.kind !== Task_Kind.MIGRATE || row.resource !== sink) throw notFound(name);
  return migrationFromRow(row);
}

async function listMigrations({ database }: SinkCatalog, request: ListMigrationsRequest) {
  const sink = checkName(request.parent, "sink");
  const page = readPageRequest(`migrations of ${sink}`, request);
  const rows = await database.inProject(sink, async (queries) => {
    if (!(await findSink(queries, sink))) throw notFound(sink);
    return await listTasksOf(queries, { resource: sink, kind: Task_Kind.MIGRATE }, page);
  });
  const { rows: shown, nextPageToken } = makePage(page, rows, cursorOf);
  return { migrations: shown.map(migrationFromRow), nextPageToken };
}
