import type { S3Sink } from "#gen/tributary/management/v1/sink_pb.js";
import { toAwsFault } from "../aws/fault.ts";
import { createTurns } from "../aws/turns.ts";
import type { OpenSink, Place, RowOutcome, SinkEnvironment, SinkRequest } from "../sink.ts";
import { retrySink, timeoutFault } from "../sink-fault.ts";
import { type BucketClient, openBucket } from "./client.ts";
import { compress, type LineFormat, lineFormatOf } from "./encode.ts";
import { type ObjectContent, objectName } from "./object-name.ts";

/** An object that is not put yet. */
interface Part extends ObjectContent {
  readonly places: Place[];
  readonly lines: Uint8Array[];
  readonly requests: Set<string>;
}

/** Opens a bucket: rows gather in memory, bounded by the batching of the sink, until a flush puts them. */
export async function openS3(config: S3Sink, env: SinkEnvironment): Promise<OpenSink> {
  const client = await openBucket(config, env);
  const format = lineFormatOf(config, env.schema);
  const inTurn = createTurns();
  const parts = new Map<string, Part>();
  /** Objects whose put failed: they are put again as they are, under the same name. */
  let sealed: Part[] = [];
  return {
    write: (request, signal) =>
      inTurn("bucket", async () => {
        if (signal.aborted) return retrySink("TIMEOUT", "the rows were not taken in time");
        const part = partOf(parts, env.sinkUid, request);
        append(part, request, format);
        return { kind: "rows", outcomes: request.rows.map((): RowOutcome => ({ kind: "staged" })) };
      }),
    flush: (_reason, signal) =>
      inTurn("bucket", async () => {
        if (signal.aborted) throw timeoutFault("putting the objects");
        sealed.push(...[...parts.values()].filter((part) => part.places.length > 0));
        parts.clear();
        const all = sealed;
        const puts = await Promise.allSettled(
          all.map((part) => putPart(client, part, { config, format, signal })),
        );
        sealed = all.filter((_, i) => puts[i]!.status === "rejected");
        const failed = puts.find((put) => put.status === "rejected");
        const settled = all.filter((part) => !sealed.includes(part));
        // What is settled must be told; what is not is put by the next flush, or read again.
        if (failed && settled.length === 0) {
          throw toAwsFault(failed.reason, { what: "putting an object" });
        }
        return settled.flatMap((part) => part.places);
      }),
    close: async () => {
      parts.clear();
      sealed = [];
      client.close();
    },
  };
}

function partOf(parts: Map<string, Part>, sinkUid: string, request: SinkRequest): Part {
  const { generation, partition, isReplay } = request;
  const prefix = `${sinkUid}-g${generation}-${isReplay ? "r" : "p"}${partition}`;
  const open = parts.get(prefix);
  if (open) return open;
  const part: Part = {
    prefix,
    partition,
    arrivalTimeUs: request.rows[0]?.arrivalTimeUs ?? 0,
    places: [],
    lines: [],
    requests: new Set(),
  };
  parts.set(prefix, part);
  return part;
}

function append(part: Part, request: SinkRequest, format: LineFormat): void {
  if (part.requests.has(request.id)) return;
  // Encoded whole first: a row that cannot be must leave nothing behind.
  const lines = request.rows.map((row) => format.line(row.json));
  part.requests.add(request.id);
  for (const line of lines) part.lines.push(line);
  for (const row of request.rows) part.places.push(row.place);
}

async function putPart(
  client: BucketClient,
  part: Part,
  {
    config,
    format,
    signal,
  }: { readonly config: S3Sink; readonly format: LineFormat; readonly signal: AbortSignal },
): Promise<void> {
  const body = await compress(config, Buffer.concat([format.head, ...part.lines]));
  const name = objectName(config, part);
  await client.put({ name, body, contentType: format.contentType }, signal);
}
