import type { ServiceImpl } from "@connectrpc/connect";
import type { Sink } from "#gen/tributary/management/v1/sink_pb.js";
import type {
  ListSinksRequest,
  SinkService,
} from "#gen/tributary/management/v1/sink_service_pb.js";
import { notFound } from "../core/errors.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import { callerOf } from "./catalog.ts";
import { createSink } from "./create-sink.ts";
import { deleteSink } from "./delete-sink.ts";
import { createHeldMethods } from "./held-methods.ts";
import { cursorOf } from "./newest-first.ts";
import { previewSink } from "./preview-sink.ts";
import { rotateSigningSecret } from "./rotate-signing-secret.ts";
import type { SinkCatalog } from "./sink-catalog.ts";
import { requireTarget } from "./sink-circle.ts";
import {
  listSinkRows,
  loadSink,
  lockSink,
  type SavedSink,
  type SinkRow,
  updateSinkRow,
} from "./sink-store.ts";
import { createSinkByTask, updateSinkByTask } from "./sink-task.ts";
import { openSinkRows, viewSinks } from "./sink-view.ts";
import { createStagedMethods } from "./staged-methods.ts";
import { findStream } from "./stream-store.ts";
import { testSink, watchSinkTest } from "./test-sink.ts";
import { updateSink } from "./update-sink.ts";

/** The rpcs of SinkService. */
export function createSinkService(catalog: SinkCatalog): ServiceImpl<typeof SinkService> {
  const { database, masterKey } = catalog;
  const load = (name: string) =>
    database.inProject(name, (queries) => loadSink(queries, masterKey, name));
  const view = async (saved: SavedSink) => ({ sink: await viewOne(catalog, saved) });
  const change = async (name: string, how: (row: SinkRow) => Partial<SinkRow> | undefined) => {
    await changeRow(catalog, name, how);
    return await view(await load(name));
  };
  return {
    async createSink(request, context) {
      await requireTarget(catalog, request.parent, request.sink, callerOf(context));
      if (request.asTask && !request.validateOnly) {
        return await createSinkByTask(catalog, request, context.signal);
      }
      const tokenMaker = request.withToken ? callerOf(context) : undefined;
      return await createSink(catalog, { ...request, tokenMaker }, context.signal);
    },
    getSink: async ({ name }) => view(await load(name)),
    listSinks: (request) => list(catalog, request),
    async updateSink(request, context) {
      await requireTarget(catalog, request.sink?.name ?? "", request.sink, callerOf(context));
      return request.asTask
        ? await updateSinkByTask(catalog, request)
        : await view(await updateSink(catalog, request, context.signal));
    },
    deleteSink: (request, context) => deleteSink(catalog, request, context.signal),
    pauseSink: ({ name }) => change(name, (row) => (row.isPaused ? undefined : { isPaused: true })),
    // A sink that its destination stopped (410) is not paused in our terms: resuming tries it again.
    resumeSink: ({ name }) =>
      change(name, (row) => (row.isPaused ? { isPaused: false } : { restarts: row.restarts + 1 })),
    restartSink: ({ name }) => change(name, (row) => ({ restarts: row.restarts + 1 })),
    rotateSigningSecret: (request) => rotateSigningSecret(catalog, request),
    async testSink(request, context) {
      await requireTarget(catalog, request.parent, request.sink, callerOf(context));
      return await testSink(catalog, request, context.signal);
    },
    async *watchSinkTest(request, context) {
      await requireTarget(catalog, request.parent, request.sink, callerOf(context));
      yield* watchSinkTest(catalog, request, context.signal);
    },
    previewSink: (request, context) => previewSink(catalog, request, context.signal),
    ...createHeldMethods(catalog),
    ...createStagedMethods(catalog),
  };
}

async function viewOne(catalog: SinkCatalog, saved: SavedSink): Promise<Sink> {
  const [sink] = await viewSinks(catalog, [saved]);
  return sink!;
}

async function list(catalog: SinkCatalog, request: ListSinksRequest) {
  const page = readPageRequest(`sinks of ${request.parent}`, request);
  const rows = await catalog.database.inProject(request.parent, async (queries) => {
    const parent = await findStream(queries, request.parent);
    if (!parent) throw notFound(request.parent);
    return await listSinkRows(queries, parent.uid, page);
  });
  const { rows: shown, nextPageToken } = makePage(page, rows, cursorOf);
  return {
    sinks: await viewSinks(catalog, await openSinkRows(catalog, request.parent, shown)),
    nextPageToken,
  };
}

async function changeRow(
  { database, now, refresh }: SinkCatalog,
  name: string,
  how: (row: SinkRow) => Partial<SinkRow> | undefined,
): Promise<void> {
  await database.inProject(name, async (queries) => {
    const row = await lockSink(queries, name);
    if (!row) throw notFound(name);
    const values = how(row);
    if (!values) return;
    const updateTime = new Date(now());
    await updateSinkRow(queries, row.uid, { ...values, version: row.version + 1, updateTime });
  });
  await refresh();
}
