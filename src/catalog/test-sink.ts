/** Tries the destination of a sink, saved or not: all stages at once, or each as it ends. */
import { create as createMessage, fromBinary } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { type Sink, SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import {
  PreviewedRow_Outcome as Outcome,
  type TestSinkRequest,
  type WatchSinkTestRequest,
} from "#gen/tributary/management/v1/sink_service_pb.js";
import { SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { notFound } from "../core/errors.ts";
import { compileTransform } from "../mapping/row-transform.ts";
import type { TestStageResult } from "../sinks/sink.ts";
import { hearStages } from "../sinks/stages.ts";
import { findReadyBranch } from "./log-store.ts";
import { readNewest } from "./newest-records.ts";
import { mapAll } from "./preview-sink.ts";
import type { SinkCatalog } from "./sink-catalog.ts";
import { checkSink } from "./sink-check.ts";
import { driverOf, keepSecrets, testConfig } from "./sink-kind.ts";
import { testOwnership } from "./sink-ownership.ts";
import { loadSink } from "./sink-store.ts";
import { newestVersion } from "./sink-view.ts";
import { findStream } from "./stream-store.ts";

const SAMPLE_MS = 10_000;
const SAMPLE_TEXT_MAX = 2_000;

/** All stages, once the last one has ended. Fails with INVALID_FIELDS and RESOURCE_NOT_FOUND. */
export async function testSink(
  catalog: SinkCatalog,
  request: TestSinkRequest,
  signal: AbortSignal,
) {
  const tested = await findTested(catalog, request);
  const results = await tryStages(catalog, check(catalog, tested), {
    signal,
    tell: () => undefined,
  });
  const stages = results.map(messageOf);
  return { ok: stages.every((stage) => stage.ok), stages };
}

/** Each stage as it ends; none follows one that failed, but for that of ownership. Fails with RESOURCE_NOT_FOUND. */
export async function* watchSinkTest(
  catalog: SinkCatalog,
  request: WatchSinkTestRequest,
  signal: AbortSignal,
) {
  const stages: TestStageResult[] = [];
  let wake = Promise.withResolvers<void>();
  const tell = (stage: TestStageResult) => {
    stages.push(stage);
    wake.resolve();
  };
  let isEnded = false;
  const climbing = climb(catalog, { request, tell, signal }).finally(() => {
    isEnded = true;
    wake.resolve();
  });
  climbing.catch(() => undefined);
  for (let at = 0; ; ) {
    await wake.promise;
    wake = Promise.withResolvers<void>();
    while (at < stages.length) yield { stage: messageOf(stages[at++]!) };
    if (isEnded) break;
  }
  await climbing;
}

interface Climb {
  readonly request: WatchSinkTestRequest;
  readonly tell: (stage: TestStageResult) => void;
  readonly signal: AbortSignal;
}

async function climb(catalog: SinkCatalog, { request, tell, signal }: Climb): Promise<void> {
  const start = performance.now();
  const found = await findTested(catalog, request);
  const durationMs = () => performance.now() - start;
  let checked: Checked;
  try {
    checked = check(catalog, found);
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    const message = error.rawMessage;
    return tell({ name: "parse", isOk: false, message, durationMs: durationMs() });
  }
  const message = "settings, filter and mapping make sense for the stream's schema";
  tell({ name: "parse", isOk: true, message, durationMs: durationMs() });
  const told = new Set<string>();
  const tellOnce = (stage: TestStageResult) => {
    told.add(stage.name);
    tell(stage);
  };
  const results = await hearStages(tellOnce, () =>
    tryStages(catalog, checked, { signal, tell: tellOnce }),
  );
  // What did not come from a ladder of its own, such as the end of the time for all of it.
  for (const stage of results) if (!told.has(stage.name)) tell(stage);
  if (results.every(({ isOk }) => isOk)) tell(await sample(catalog, checked, signal));
}

type Found = Awaited<ReturnType<typeof findTested>>;
type Checked = ReturnType<typeof check>;

function check(catalog: SinkCatalog, { parent, sink, stream, branch, saved }: Found) {
  const streamSchema = fromBinary(SchemaSchema, stream.schema);
  const { schema, config } = checkSink(catalog, sink, streamSchema);
  const identity = {
    sinkUid: saved?.row.uid ?? catalog.makeUid(),
    sinkName: saved?.row.name ?? `${parent}/sinks/test`,
    logName: `${parent}/branches/${branch.branchId}`,
    logUid: branch.uid,
    schema,
  };
  return { sink, streamSchema, config, identity, branch };
}

async function tryStages(
  catalog: SinkCatalog,
  { config, identity }: Checked,
  { signal, tell }: Pick<Climb, "signal" | "tell">,
): Promise<readonly TestStageResult[]> {
  const driver = driverOf(catalog.drivers, config)!;
  const environment = catalog.environmentOf(identity);
  const ownership = await testOwnership(catalog, config, { identity, signal });
  ownership.forEach(tell);
  const results = await testConfig(driver, config, { environment, prepare: false, signal });
  return [...ownership, ...results];
}

/** What filter and mapping make of the newest record. */
async function sample(
  catalog: SinkCatalog,
  { sink, streamSchema, branch }: Checked,
  callSignal: AbortSignal,
): Promise<TestStageResult> {
  const start = performance.now();
  const signal = AbortSignal.any([callSignal, AbortSignal.timeout(SAMPLE_MS)]);
  const log = { shard: branch.shard, uid: branch.uid };
  const end = (isOk: boolean, message: string): TestStageResult => ({
    name: "sample",
    isOk,
    message,
    durationMs: performance.now() - start,
  });
  try {
    const records = await readNewest(catalog.logs, log, { count: 1, signal });
    if (records.length === 0) return end(true, "the branch holds no record yet to try it with");
    const transform = compileTransform(sink, streamSchema, catalog.templates);
    if (Array.isArray(transform)) return end(false, "filter or mapping cannot be compiled");
    const [row] = await mapAll(transform, records, signal);
    if (row?.outcome === Outcome.FILTERED)
      return end(true, "the filter leaves the newest record out");
    if (row?.outcome === Outcome.HELD)
      return end(false, `the newest record would be held: ${row.error}`);
    return end(true, `the newest record becomes ${row?.json.slice(0, SAMPLE_TEXT_MAX)}`);
  } catch (error) {
    return end(false, error instanceof Error ? error.message : String(error));
  }
}

function messageOf({ name, isOk, message, durationMs, remedy }: TestStageResult) {
  const durationUs = BigInt(Math.max(0, Math.round(durationMs * 1_000)));
  return { name, ok: isOk, message, durationUs, remedy: remedy ?? "" };
}

/** What is tested, with the secrets of the saved sink when the tested one has a name. */
async function findTested(catalog: SinkCatalog, request: TestSinkRequest | WatchSinkTestRequest) {
  const { parent } = request;
  const sink = createMessage(SinkSchema, request.sink);
  const { stream, branch, saved } = await load(catalog, parent, sink);
  if (saved) {
    const current = newestVersion(saved.definition).sink;
    sink.config = sink.config.case
      ? keepSecrets(catalog.drivers, sink.config, current.config)
      : current.config;
    sink.mapping ??= current.mapping;
  }
  return { parent, sink, stream, branch, saved };
}

/** The stream, the branch, and the saved sink when the tested one has a name. */
async function load({ database, masterKey }: SinkCatalog, parent: string, sink: Sink) {
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
