/** StreamService. */
import { create as createMessage, type MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { type Stream, StreamSchema } from "#gen/tributary/management/v1/stream_pb.js";
import type {
  CreateStreamRequest,
  StreamService,
} from "#gen/tributary/management/v1/stream_service_pb.js";
import { notFound } from "../core/errors.ts";
import { formatName, parseName } from "../core/names.ts";
import { expandPreset } from "../core/preset-schemas.ts";
import { createBranchMethods } from "./branch-methods.ts";
import {
  alreadyExists,
  type Catalog,
  checkName,
  chooseId,
  findIdFaults,
  insertNamed,
} from "./catalog.ts";
import { checkCreation } from "./creation-quota.ts";
import { deleteStream, undeleteStream } from "./delete-stream.ts";
import { inferFromSamples } from "./infer-schema.ts";
import { listStreams } from "./list-streams.ts";
import { chooseShard, insertBranch } from "./log-store.ts";
import { findProject } from "./project-store.ts";
import { createProposalMethods } from "./schema-proposal-methods.ts";
import { archiveColumns, NO_ARCHIVE, tryArchive } from "./stream-archive.ts";
import { checkStream } from "./stream-check.ts";
import {
  findStream,
  insertStream,
  type StreamRow,
  streamFromRow,
  streamValues,
} from "./stream-store.ts";
import { updateStream } from "./update-stream.ts";

/** The rpcs of StreamService. */
export function createStreamService(catalog: Catalog): ServiceImpl<typeof StreamService> {
  return {
    createStream: async (request) => ({
      stream: await createStream(catalog, request, { isOnlyCheck: request.validateOnly }),
    }),
    async getStream({ name }) {
      const row = await catalog.database.inProject(name, (queries) => findStream(queries, name));
      if (!row) throw notFound(name);
      return { stream: streamFromRow(row) };
    },
    listStreams: (request) => listStreams(catalog, request),
    updateStream: async (request) => ({ stream: await updateStream(catalog, request) }),
    async deleteStream(request) {
      await deleteStream(catalog, request);
      return {};
    },
    undeleteStream: async (request) => ({ stream: await undeleteStream(catalog, request) }),
    inferSchema: inferFromSamples,
    ...createProposalMethods(catalog),
    ...createBranchMethods(catalog),
  };
}

/** Makes a stream with its branch `main`. */
export async function createStream(
  catalog: Catalog,
  request: Pick<CreateStreamRequest, "parent" | "streamId"> & {
    readonly stream?: MessageInitShape<typeof StreamSchema> | undefined;
  },
  { isOnlyCheck = false } = {},
): Promise<Stream> {
  const { database } = catalog;
  const stream = createMessage(StreamSchema, request.stream);
  if (stream.schema) stream.schema = expandPreset(stream.schema);
  const [project = ""] = parseName(checkName(request.parent, "project"), "project") ?? [];
  checkStream(stream, findIdFaults("stream_id", request.streamId, stream.displayName));
  const id = chooseId("stream_id", request.streamId, stream.displayName);
  const name = formatName("stream", project, id);
  const time = new Date(catalog.now());
  const uid = catalog.makeUid();
  const archive = archiveColumns(catalog, stream.archive, { uid, ...NO_ARCHIVE });
  if (!isOnlyCheck) await tryArchive(catalog, uid, { wanted: archive, saved: NO_ARCHIVE });
  const shard = await database.acrossProjects((queries) => chooseShard(queries, catalog.shards));
  const row = await insertNamed({ name, field: "stream_id" }, () =>
    database.inProject(name, async (queries) => {
      const parent = await findProject(queries, request.parent);
      if (!parent) throw notFound(request.parent);
      const made: StreamRow = {
        ...streamValues(stream),
        ...archive,
        uid,
        projectUid: parent.uid,
        name,
        displayName: stream.displayName || id,
        schemaVersion: 1,
        generation: 1,
        version: 1,
        createTime: time,
        updateTime: time,
        sealingTime: null,
      };
      await checkCreation(
        queries,
        { projectUid: parent.uid },
        { streams: 1, partitions: made.partitions },
      );
      if (isOnlyCheck) {
        if (await findStream(queries, name)) throw alreadyExists(name, "stream_id");
        return made;
      }
      await insertStream(queries, made);
      await insertBranch(queries, {
        uid: catalog.makeUid(),
        projectUid: parent.uid,
        streamUid: made.uid,
        name: formatName("branch", project, id, "main"),
        branchId: "main",
        shard,
        createTime: time,
      });
      return made;
    }),
  );
  if (!isOnlyCheck) await catalog.refresh();
  return streamFromRow(row);
}
