/**
 * Sinks that are made and changed by tasks (K19): the call checks the definition and answers at once; the
 * destination is tried, and the sink saved, later. Until then nothing of it can be seen or used.
 */
import { clone, create, type MessageInitShape } from "@bufbuild/protobuf";
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import { type Sink, SinkSchema, StartSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type {
  CreateSinkRequest,
  UpdateSinkRequest,
} from "#gen/tributary/management/v1/sink_service_pb.js";
import { UpdateSinkRequestSchema } from "#gen/tributary/management/v1/sink_service_pb.js";
import { Task_Kind } from "#gen/tributary/management/v1/task_pb.js";
import { fail, failFields } from "../core/errors.ts";
import { projectOf, streamOf } from "../core/names.ts";
import { alreadyExists } from "./catalog.ts";
import { createSink, prepareSink } from "./create-sink.ts";
import { openSealedSink, sealSink } from "./sealed-sink.ts";
import type { SinkCatalog } from "./sink-catalog.ts";
import { findSink } from "./sink-store.ts";
import { viewSinks } from "./sink-view.ts";
import type { TaskHandler } from "./task-runner.ts";
import { insertTask, type TaskRow, taskNameOf } from "./task-store.ts";
import { checkUpdate, saveUpdate } from "./update-sink.ts";

/** What the two kinds of tasks read, beside the sealed definition. */
interface SinkTaskInput {
  readonly sinkUid: string;
  readonly skipTest: boolean;
  /** For a change: its fields, and the version that it was checked against. */
  readonly paths: readonly string[];
  readonly version: number;
  readonly fromSequence: number;
}

const inputOf = (task: TaskRow) => task.input as unknown as SinkTaskInput;

/** Checks a new sink and leaves the rest to a task. Fails as `createSink`, DESTINATION_REFUSED aside. */
export async function createSinkByTask(
  catalog: SinkCatalog,
  request: CreateSinkRequest,
  signal: AbortSignal,
) {
  if (request.withToken) {
    const description = "is shown once, by the call that makes the sink; make the token afterwards";
    throw failFields([{ field: "with_token", description }]);
  }
  const { row, definition, signingSecret, note } = await prepareSink(
    catalog,
    { ...request, validateOnly: true },
    signal,
  );
  const { sink: saved } = definition.versions[0]!;
  // Where it starts is settled now, not when the task comes to it.
  const at = { case: "sequence" as const, value: BigInt(row.startSequence) };
  const sink = Object.assign(clone(SinkSchema, saved), {
    branch: request.sink?.branch ?? "",
    start: create(StartSchema, { at }),
  });
  const input = {
    sinkUid: row.uid,
    skipTest: request.skipTest,
    paths: [],
    version: 0,
    fromSequence: 0,
  };
  const task = await leaveTask(catalog, { kind: Task_Kind.CREATE_SINK, row, sink, input });
  const [view] = await viewSinks(catalog, [{ row, definition }]);
  if (signingSecret && view?.config.case === "webhook") {
    view.config.value.signingSecret = signingSecret;
  }
  return { sink: view!, note, task };
}

/** Checks a change and leaves the rest to a task. Fails as `updateSink`, DESTINATION_REFUSED aside. */
export async function updateSinkByTask(catalog: SinkCatalog, request: UpdateSinkRequest) {
  const { saved, fromSequence } = await checkUpdate(catalog, request);
  const { row } = saved;
  const sink = clone(SinkSchema, request.sink!);
  const paths = request.updateMask?.paths ?? [];
  const input = { sinkUid: row.uid, skipTest: false, paths, version: row.version, fromSequence };
  const task = await leaveTask(catalog, { kind: Task_Kind.UPDATE_SINK, row, sink, input });
  const [view] = await viewSinks(catalog, [saved]);
  return { sink: view!, task };
}

async function leaveTask(
  { database, masterKey, makeUid, now, wakeTasks }: SinkCatalog,
  task: {
    readonly kind: Task_Kind;
    readonly row: { readonly uid: string; readonly projectUid: string; readonly name: string };
    readonly sink: Sink;
    readonly input: SinkTaskInput;
  },
): Promise<string> {
  const { uid: sinkUid, projectUid, name } = task.row;
  const project = projectOf(name)!;
  const uid = makeUid();
  await database.inProject(project, (queries) =>
    insertTask(queries, {
      uid,
      project,
      projectUid,
      kind: task.kind,
      resource: name,
      input: { ...task.input },
      sealed: sealSink(masterKey, { projectUid, sinkUid }, task.sink),
      createTime: new Date(now()),
    }),
  );
  wakeTasks();
  return taskNameOf(project, uid);
}

function definitionOf({ masterKey }: SinkCatalog, task: TaskRow): Sink {
  const owner = { projectUid: task.projectUid, sinkUid: inputOf(task).sinkUid };
  return openSealedSink(masterKey, owner, task.sealed!);
}

/** Makes sinks; a sink that an earlier attempt made is left as it is. */
export function createSinkMaker(catalog: SinkCatalog): TaskHandler {
  return {
    async run(task, { signal }) {
      const { sinkUid, skipTest } = inputOf(task);
      const name = task.resource;
      const known = await catalog.database.inProject(name, (queries) => findSink(queries, name));
      if (known?.uid === sinkUid) return;
      if (known) throw alreadyExists(name, "sink_id");
      const sink: MessageInitShape<typeof SinkSchema> = definitionOf(catalog, task);
      const sinkId = name.slice(name.lastIndexOf("/") + 1);
      const request = { parent: streamOf(name)!, sinkId, sink, skipTest, uid: sinkUid };
      await createSink(catalog, request, signal);
    },
    ended: async () => undefined,
  };
}

/** Changes sinks; a change that an earlier attempt saved is not made again. */
export function createSinkChanger(catalog: SinkCatalog): TaskHandler {
  return {
    async run(task, { signal }) {
      const { paths, version, fromSequence } = inputOf(task);
      const sink = Object.assign(definitionOf(catalog, task), { etag: "" });
      const updateMask = create(FieldMaskSchema, { paths: [...paths] });
      const request = create(UpdateSinkRequestSchema, {
        sink,
        fromSequence: BigInt(fromSequence),
        ...(paths.length > 0 && { updateMask }),
      });
      const update = await checkUpdate(catalog, request);
      if (update.isUnchanged) return;
      if (update.saved.row.version !== version) {
        // Not ETAG_STALE: that may pass where a caller reads again, and nobody does here.
        throw fail("WRONG_STATE", `${task.resource} was changed in another way meanwhile`);
      }
      await saveUpdate(catalog, update, signal);
    },
    ended: async () => undefined,
  };
}
