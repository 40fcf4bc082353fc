import { setImmediate as nextTurn } from "node:timers/promises";
import type { S3Sink } from "#gen/tributary/management/v1/sink_pb.js";
import type {
  OpenSink,
  RequestOutcome,
  RowOutcome,
  SinkEnvironment,
  SinkRequest,
  SinkRow,
} from "../sink.ts";
import { retryRequest, retrySink, SinkFault } from "../sink-fault.ts";
import { type BucketClient, openBucket } from "./client.ts";
import { type ObjectFormat, objectFormatOf } from "./encode.ts";
import { type CommittedObject, manifestOf } from "./manifest.ts";
import { extensionOf, type FolderOf, folderOf, rowsName } from "./object-name.ts";

/** Objects of one request; a request of more is halved, so that each ends in time. */
const OBJECTS_MAX = 100;
/** Objects on their way at once. */
const PUTS_AT_ONCE = 4;
const SLICE_ROWS = 1_000;

/** What objects are made with. */
interface Maker {
  readonly config: S3Sink;
  readonly env: SinkEnvironment;
  readonly client: BucketClient;
  readonly format: ObjectFormat;
  readonly folder: FolderOf;
}

/**
 * Opens a bucket. A request is a commit: its objects, then their manifest. Delivery plans a request
 * before it is sent, so a repeat has the same rows, and puts the same names and bytes.
 */
export async function openS3(config: S3Sink, env: SinkEnvironment): Promise<OpenSink> {
  const client = await openBucket(config, env);
  const format = objectFormatOf(config, env.schema);
  const maker: Maker = { config, env, client, format, folder: folderOf(config) };
  return {
    async write(request, signal) {
      try {
        return await commit(maker, request, signal);
      } catch (error) {
        if (error instanceof SinkFault) return retrySink(error.reason, error.message);
        if (signal.aborted) return retrySink("TIMEOUT", "the objects were not put in time");
        throw error;
      }
    },
    close: async () => client.close(),
  };
}

async function commit(
  maker: Maker,
  request: SinkRequest,
  signal: AbortSignal,
): Promise<RequestOutcome> {
  const groups = await divide(maker, request);
  if (!groups) {
    const why = `the batch has more than ${OBJECTS_MAX} folders by key_template`;
    return retryRequest("TOO_MANY_FOLDERS", why);
  }
  const outcomes = request.rows.map((): RowOutcome => ({ kind: "delivered" }));
  const objects: CommittedObject[] = [];
  const waiting = [...groups];
  const putNext = async () => {
    for (let group = waiting.shift(); group; group = waiting.shift()) {
      const [folder, indexes] = group;
      const rows = indexes.map((index) => request.rows[index]!);
      const { body, refused } = await maker.format.encode(rows, signal);
      for (const { row, field, why } of refused) {
        const reason = "VALUE_REFUSED";
        outcomes[indexes[row]!] = { kind: "reject", reason, why: `${field}: ${why}` };
      }
      if (refused.length === rows.length) continue;
      const rest = `${rowsName(maker.env.sinkUid, request, rows)}.${extensionOf(maker.config)}`;
      const name = `${folder}${rest}`;
      await maker.client.put({ name, body, contentType: maker.format.contentType }, signal);
      const [first, last] = [rows[0]!.place, rows.at(-1)!.place];
      objects.push({ name, body, rows: rows.length - refused.length, first, last });
    }
  };
  const puts = await Promise.allSettled(Array.from({ length: PUTS_AT_ONCE }, putNext));
  const failed = puts.find((put) => put.status === "rejected");
  if (failed) throw failed.reason;
  if (objects.length > 0) {
    objects.sort((a, b) => (a.name < b.name ? -1 : 1));
    await maker.client.put(manifestOf(maker.config, maker.env, { request, objects }), signal);
  }
  return { kind: "rows", outcomes };
}

/** Indexes of the rows of each folder; undefined when there are too many. */
async function divide(
  { folder }: Maker,
  { rows, partition }: SinkRequest,
): Promise<Map<string, number[]> | undefined> {
  const groups = new Map<string, number[]>();
  for (let i = 0; i < rows.length; i++) {
    if (i > 0 && i % SLICE_ROWS === 0) await nextTurn();
    const name = folder(rows[i] as SinkRow, partition);
    const group = groups.get(name);
    if (group) group.push(i);
    else groups.set(name, [i]);
    if (groups.size > OBJECTS_MAX) return undefined;
  }
  return groups;
}
