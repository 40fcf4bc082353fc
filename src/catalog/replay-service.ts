/** ReplayService: stored records to a sink again. */
import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { ReplaySchema } from "#gen/tributary/management/v1/replay_pb.js";
import type {
  CreateReplayRequest,
  ListReplaysRequest,
  ReplayService,
} from "#gen/tributary/management/v1/replay_service_pb.js";
import { Task_Kind } from "#gen/tributary/management/v1/task_pb.js";
import { failFields, notFound } from "../core/errors.ts";
import { projectOf } from "../core/names.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import type { ReplayJob } from "../core/replay-job.ts";
import { callerOf, checkName } from "./catalog.ts";
import { cursorOf } from "./newest-first.ts";
import { resolveSelection } from "./replay-selection.ts";
import { describeReplay, encodeSelection, type ReplayInput, replayFromRow } from "./replay-view.ts";
import type { SinkCatalog } from "./sink-catalog.ts";
import { findSink, loadSink, type SavedSink } from "./sink-store.ts";
import { findTask, insertTask, listTasksOf, taskNameOf } from "./task-store.ts";

/** The rpcs of ReplayService. */
export function createReplayService(catalog: SinkCatalog): ServiceImpl<typeof ReplayService> {
  return {
    async createReplay(request, context) {
      return { replay: await createReplay(catalog, request, callerOf(context).id) };
    },
    getReplay: async ({ name }) => ({ replay: await getReplay(catalog, name) }),
    listReplays: (request) => listReplays(catalog, request),
  };
}

async function createReplay(catalog: SinkCatalog, request: CreateReplayRequest, author: string) {
  const sinkName = checkName(request.parent, "sink");
  const { database, masterKey } = catalog;
  const sink = await database.inProject(sinkName, (queries) =>
    loadSink(queries, masterKey, sinkName),
  );
  const uid = uidOf(catalog, sink.row.uid, request.requestId);
  const project = projectOf(sinkName)!;
  const taskName = taskNameOf(project, uid);
  const known = await database.inProject(project, (queries) => findTask(queries, taskName));
  if (known && !request.validateOnly) return replayFromRow(known);
  const input = await prepare(catalog, { sink, uid, request, author });
  if (request.validateOnly) return create(ReplaySchema, describeReplay(input));
  const row = await database.inProject(project, async (queries) => {
    if ((await findSink(queries, sinkName))?.uid !== sink.row.uid) throw notFound(sinkName);
    await insertTask(queries, {
      uid,
      project,
      projectUid: sink.row.projectUid,
      kind: Task_Kind.REPLAY,
      resource: sinkName,
      input: { ...input },
      createTime: new Date(catalog.now()),
    });
    return await findTask(queries, taskName);
  });
  catalog.wakeTasks();
  return replayFromRow(row!);
}

interface NewReplay {
  readonly sink: SavedSink;
  readonly uid: string;
  readonly request: CreateReplayRequest;
  readonly author: string;
}

/** The input of the task, with the number of records that it is about. */
async function prepare(
  { logs, countReplay }: SinkCatalog,
  { sink, uid, request, author }: NewReplay,
): Promise<ReplayInput> {
  const { definition, row } = sink;
  const selection = request.selection!;
  const log = { uid: definition.log.uid, shard: definition.log.shard };
  const resolved = await resolveSelection(logs, log, selection);
  const job: ReplayJob = { uid, sinkUid: row.uid, log, ...resolved };
  const { count, isExact } = await countReplay(job);
  if (job.places && !job.filter && isExact && count < job.places.length) {
    const description = `names ${job.places.length - count} records that are not stored (any more)`;
    throw failFields([{ field: "selection.ids.record_ids", description }]);
  }
  const encoded = encodeSelection(selection);
  return { job, sink: row.name, author, selection: encoded, count, isExact };
}

/** A repeat of a call that names itself gets the same uid. */
function uidOf({ makeUid }: SinkCatalog, sinkUid: string, requestId: string): string {
  if (requestId === "") return makeUid();
  const digest = createHash("sha256").update(`replay ${sinkUid} ${requestId}`).digest("hex");
  return `r${digest.slice(0, 19)}`;
}

async function getReplay({ database }: SinkCatalog, name: string) {
  const [, sink = "", uid = ""] = /^(.+)\/replays\/([a-z0-9]{1,63})$/.exec(name) ?? [];
  if (sink === "") throw notFound(name);
  checkName(sink, "sink");
  const taskName = taskNameOf(projectOf(sink)!, uid);
  const row = await database.inProject(sink, (queries) => findTask(queries, taskName));
  if (row?.kind !== Task_Kind.REPLAY || row.resource !== sink) throw notFound(name);
  return replayFromRow(row);
}

async function listReplays({ database }: SinkCatalog, request: ListReplaysRequest) {
  const sink = checkName(request.parent, "sink");
  const page = readPageRequest(`replays of ${sink}`, request);
  const rows = await database.inProject(sink, async (queries) => {
    if (!(await findSink(queries, sink))) throw notFound(sink);
    return await listTasksOf(queries, { resource: sink, kind: Task_Kind.REPLAY }, page);
  });
  const { rows: shown, nextPageToken } = makePage(page, rows, cursorOf);
  return { replays: shown.map(replayFromRow), nextPageToken };
}
