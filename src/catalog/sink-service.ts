/** SinkService. */
import { create as createMessage, fromBinary } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { type Sink, SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type {
  ListSinksRequest,
  SinkService,
  TestSinkRequest,
} from "#gen/tributary/management/v1/sink_service_pb.js";
import { SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { notFound } from "../core/errors.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import { callerOf } from "./catalog.ts";
import { createSink } from "./create-sink.ts";
import { deleteSink } from "./delete-sink.ts";
import { createHeldMethods } from "./held-methods.ts";
import { findReadyBranch } from "./log-store.ts";
import { cursorOf } from "./newest-first.ts";
import { previewSink } from "./preview-sink.ts";
import { rotateSigningSecret } from "./rotate-signing-secret.ts";
import type { SinkCatalog } from "./sink-catalog.ts";
import { checkSink } from "./sink-check.ts";
import { requireTarget } from "./sink-circle.ts";
import { driverOf, keepSecrets, testConfig } from "./sink-kind.ts";
import { testOwnership } from "./sink-ownership.ts";
import {
  listSinkRows,
  loadSink,
  lockSink,
  type SavedSink,
  type SinkRow,
  updateSinkRow,
} from "./sink-store.ts";
import { newestVersion, openSinkRows, viewSinks } from "./sink-view.ts";
import { createStagedMethods } from "./staged-methods.ts";
import { findStream } from "./stream-store.ts";
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
      const tokenMaker = request.withToken ? callerOf(context) : undefined;
      return await createSink(catalog, { ...request, tokenMaker }, context.signal);
    },
    getSink: async ({ name }) => view(await load(name)),
    listSinks: (request) => list(catalog, request),
    async updateSink(request, context) {
      await requireTarget(catalog, request.sink?.name ?? "", request.sink, callerOf(context));
      return await view(await updateSink(catalog, request, context.signal));
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
      return await test(catalog, request, context.signal);
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

async function test(
  catalog: SinkCatalog,
  { parent, sink: given }: TestSinkRequest,
  signal: AbortSignal,
) {
  const sink = createMessage(SinkSchema, given);
  const { stream, branch, saved } = await findTested(catalog, parent, sink);
  if (saved) {
    const current = newestVersion(saved.definition).sink;
    sink.config = sink.config.case
      ? keepSecrets(catalog.drivers, sink.config, current.config)
      : current.config;
    sink.mapping ??= current.mapping;
  }
  const { schema, config } = checkSink(catalog, sink, fromBinary(SchemaSchema, stream.schema));
  const identity = {
    sinkUid: saved?.row.uid ?? catalog.makeUid(),
    sinkName: saved?.row.name ?? `${parent}/sinks/test`,
    logName: `${parent}/branches/${branch.branchId}`,
    logUid: branch.uid,
    schema,
  };
  const driver = driverOf(catalog.drivers, config)!;
  const environment = catalog.environmentOf(identity);
  const ownership = await testOwnership(catalog, config, { identity, signal });
  const results = await testConfig(driver, config, { environment, prepare: false, signal });
  const stages = [...ownership, ...results].map((stage) => ({
    name: stage.name,
    ok: stage.isOk,
    message: stage.message,
    durationUs: BigInt(Math.max(0, Math.round(stage.durationMs * 1_000))),
    remedy: stage.remedy ?? "",
  }));
  return { ok: stages.every((stage) => stage.ok), stages };
}

/** The stream, the branch, and the saved sink when the tested one has a name. */
async function findTested({ database, masterKey }: SinkCatalog, parent: string, sink: Sink) {
  return await database.inProject(parent, async (queries) => {
    const stream = await findStream(queries, parent);
    const branch = await findReadyBranch(queries, `${parent}/branches/${sink.branch || "main"}`);
    if (!stream) throw notFound(parent);
    if (!branch) throw notFound(`${parent}/branches/${sink.branch}`);
    if (sink.name === "") return { stream, branch, saved: undefined };
    // Secrets of sinks elsewhere are none of this caller's business.
    if (!sink.name.startsWith(`${parent}/sinks/`)) throw notFound(sink.name);
    return { stream, branch, saved: await loadSink(queries, masterKey, sink.name) };
  });
}
