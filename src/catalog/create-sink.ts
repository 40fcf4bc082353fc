/** Makes sinks. */
import { create as createMessage, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { type Sink, SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { CreateSinkRequest } from "#gen/tributary/management/v1/sink_service_pb.js";
import { SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import type { IssuedToken } from "#gen/tributary/management/v1/token_pb.js";
import { failFields, notFound } from "../core/errors.ts";
import { formatName, ID_PATTERN, parseName } from "../core/names.ts";
import type { Principal } from "../core/principal.ts";
import { attachToken } from "./attached-token.ts";
import { alreadyExists, checkName, chooseId, insertNamed } from "./catalog.ts";
import { checkCreation } from "./creation-quota.ts";
import { sinkFromRow } from "./definition-store.ts";
import { type BranchRow, findReadyBranch } from "./log-store.ts";
import type { SinkCatalog } from "./sink-catalog.ts";
import { checkSink, checkSpill, makeSigningSecret, tryDestination } from "./sink-check.ts";
import { refuseCircle } from "./sink-circle.ts";
import { requireOwnership } from "./sink-ownership.ts";
import { resolveStart } from "./sink-start.ts";
import {
  findSink,
  insertSink,
  insertSinkVersion,
  type SavedSink,
  type SinkRow,
} from "./sink-store.ts";
import { viewSinks } from "./sink-view.ts";
import { findStream, lockStream, type StreamRow } from "./stream-store.ts";

/** What `createSink` takes: a request, or the same as a plain object. */
export type NewSink = Pick<CreateSinkRequest, "parent" | "sinkId"> & {
  readonly sink?: MessageInitShape<typeof SinkSchema> | undefined;
  readonly validateOnly?: boolean;
  readonly skipTest?: boolean;
  /** Chosen by the caller; a new one when left out. */
  readonly uid?: string;
  /**
   * Where another sink ends, in place of the sink's own start: it may lie a little beyond the log, whose
   * next records are then still the other's.
   */
  readonly handedOverAt?: number;
  /** Who makes a token with it; nobody when left out. */
  readonly tokenMaker?: Principal | undefined;
};

/** A sink that was checked, and is not saved yet. */
export interface PreparedSink extends SavedSink {
  /** Made for a webhook that came without one; to be shown once. */
  readonly signingSecret: string | undefined;
  /** Which stored records it will not see. */
  readonly note: string;
}

/**
 * Checks a sink, tries its destination and saves it. Fails with INVALID_FIELDS, OWNERSHIP_UNPROVEN, DESTINATION_REFUSED,
 * ALREADY_EXISTS, QUOTA_EXCEEDED, RESOURCE_NOT_FOUND or LOG_UNAVAILABLE, and then nothing is made.
 */
export async function createSink(
  catalog: SinkCatalog,
  request: NewSink,
  signal: AbortSignal,
): Promise<{ sink: Sink; note: string; token?: IssuedToken }> {
  const { row, definition, signingSecret, note } = await prepareSink(catalog, request, signal);
  let token: IssuedToken | undefined;
  if (!request.validateOnly) {
    token = await saveSink(catalog, { row, definition }, request.tokenMaker);
    await catalog.refresh();
  }
  const [view] = await viewSinks(catalog, [{ row, definition }]);
  if (signingSecret && view?.config.case === "webhook" && !request.validateOnly) {
    view.config.value.signingSecret = signingSecret;
  }
  return { sink: view!, note, ...(token && { token }) };
}

/** Checks a sink and tries its destination, as `createSink` does, and saves nothing. */
export async function prepareSink(
  catalog: SinkCatalog,
  request: NewSink,
  signal: AbortSignal,
): Promise<PreparedSink> {
  const sink = createMessage(SinkSchema, request.sink);
  const { name, id } = nameSink(request, sink);
  const { stream, branch } = await findPlace(catalog, { parent: request.parent, name, sink });
  const signingSecret = makeSigningSecret(sink.config);
  checkSpill(sink, stream);
  const { schema, config } = checkSink(catalog, sink, fromBinary(SchemaSchema, stream.schema));
  const uid = request.uid ?? catalog.makeUid();
  // Trying a destination for good makes what is missing there; `TestSink` tries without.
  if (!request.validateOnly) {
    const { name: logName, uid: logUid } = branch;
    const identity = { sinkUid: uid, sinkName: name, logName, logUid, schema };
    await requireOwnership(catalog, config, { identity, signal });
    if (!request.skipTest) await tryDestination(catalog, config, { identity, signal });
  }
  const start = request.handedOverAt
    ? { sequence: request.handedOverAt, note: "" }
    : await resolveStart(catalog.logs, branch, sink.start);
  const time = new Date(catalog.now());
  const row: SinkRow = {
    uid,
    projectUid: stream.projectUid,
    streamUid: stream.uid,
    branchUid: branch.uid,
    name,
    kind: sink.config.case ?? "",
    isPaused: false,
    restarts: 0,
    startSequence: start.sequence,
    endSequence: 0,
    version: 1,
    createTime: time,
    updateTime: time,
  };
  const definition = sinkFromRow(row, branch, [
    { version: 1, fromSequence: start.sequence, sink: savedSink(sink, id) },
  ]);
  return { row, definition, signingSecret, note: start.note };
}

function nameSink({ parent, sinkId }: NewSink, sink: Sink): { name: string; id: string } {
  const [project = "", stream = ""] = parseName(checkName(parent, "stream"), "stream") ?? [];
  const id = chooseId("sink_id", sinkId, sink.displayName);
  return { id, name: formatName("sink", project, stream, id) };
}

/** The stream and branch that the sink is for; fails when there is a sink of this name. */
async function findPlace(
  { database }: SinkCatalog,
  { parent, name, sink }: { parent: string; name: string; sink: Sink },
): Promise<{ stream: StreamRow; branch: BranchRow }> {
  const branchId = sink.branch || "main";
  return await database.inProject(name, async (queries) => {
    const stream = await findStream(queries, parent);
    if (!stream) throw notFound(parent);
    if (await findSink(queries, name)) throw alreadyExists(name, "sink_id");
    const branchName = `${parent}/branches/${branchId}`;
    const branch = ID_PATTERN.test(branchId)
      ? await findReadyBranch(queries, branchName)
      : undefined;
    if (branch) return { stream, branch };
    throw failFields([{ field: "sink.branch", description: `${branchName} does not exist` }]);
  });
}

/** What is saved of a message: nothing that the server says by itself. */
function savedSink(sink: Sink, id: string): Sink {
  return createMessage(SinkSchema, {
    displayName: sink.displayName || id,
    description: sink.description,
    config: sink.config,
    ...(sink.batching && { batching: sink.batching }),
    ...(sink.retry && { retry: sink.retry }),
    ...(sink.mapping && { mapping: sink.mapping }),
    ...(sink.filter && { filter: sink.filter }),
    ...(sink.pace && { pace: sink.pace }),
    ...(sink.lagWarning && { lagWarning: sink.lagWarning }),
    onRecordFailure: sink.onRecordFailure,
    whenFull: sink.whenFull,
  });
}

async function saveSink(
  catalog: SinkCatalog,
  { row, definition }: SavedSink,
  tokenMaker: Principal | undefined,
): Promise<IssuedToken | undefined> {
  const { database, masterKey } = catalog;
  return await insertNamed({ name: row.name, field: "sink_id" }, () =>
    database.inProject(row.name, async (queries) => {
      const parent = definition.streamName;
      await checkCreation(queries, row, { sinks: 1, sinks_per_stream: 1 });
      const stream = await lockStream(queries, parent);
      if (stream?.uid !== row.streamUid) throw notFound(parent);
      const { config } = definition.versions[0]!.sink;
      await refuseCircle(queries, masterKey, { definition, config });
      await insertSink(queries, row);
      const { version: number, ...version } = definition.versions[0]!;
      await insertSinkVersion(queries, row, {
        masterKey,
        version: { ...version, number, createTime: row.createTime },
      });
      return tokenMaker && (await attachToken(catalog, queries, { user: row, caller: tokenMaker }));
    }),
  );
}
