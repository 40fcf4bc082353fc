/**
 * The lines of staged rows as objects of a bucket, where the installation has one for them: the store then
 * holds their names. An object is put before its name is stored, so a crash may leave one that nobody
 * names, and never a name without its object.
 */
import { createHash } from "node:crypto";
import { clone } from "@bufbuild/protobuf";
import {
  type StagedChunk as ChunkMessage,
  StagedChunkSchema,
} from "#gen/tributary/delivery/v1/staging_pb.js";
import { makeUid } from "../core/uid.ts";
import { SinkFault } from "../sinks/sink-fault.ts";

/** Where objects are kept. Every method rejects in time. */
export interface StagingObjects {
  put(name: string, bytes: Buffer): Promise<void>;
  /** Undefined when there is none of that name. */
  get(name: string): Promise<Buffer | undefined>;
  remove(name: string): Promise<void>;
}

/** Objects that are put, read or removed at once. */
const AT_ONCE = 8;

/** Puts the lines of chunks into objects; gives the chunks that name them. */
export async function putLines(
  objects: StagingObjects,
  folder: string,
  chunks: readonly ChunkMessage[],
): Promise<ChunkMessage[]> {
  return await inGroups(chunks, async (chunk) => {
    const named = clone(StagedChunkSchema, chunk);
    const lines = Buffer.from(chunk.csv);
    named.object = `${folder}/${makeUid()}.csv`;
    named.objectSha256 = createHash("sha256").update(lines).digest();
    named.csv = new Uint8Array();
    await objects.put(named.object, lines);
    return named;
  });
}

/** The lines of a chunk, wherever they are. Fails with STAGING_LOST when its object is gone or changed. */
export async function readLines(
  objects: StagingObjects | undefined,
  { object, objectSha256, csv }: ChunkMessage,
): Promise<Uint8Array> {
  if (object === "") return csv;
  if (!objects) {
    const why = `${object} holds staged rows, and TRIBUTARY_STAGING_BUCKET is not set any more`;
    throw new SinkFault("STAGING_LOST", why);
  }
  const lines = await objects.get(object);
  if (lines && createHash("sha256").update(lines).digest().equals(objectSha256)) return lines;
  const what = lines ? "was changed" : "is not in the bucket any more";
  throw new SinkFault("STAGING_LOST", `the object ${object} with staged rows ${what}`);
}

/** Removes the objects of chunks. */
export async function removeLines(
  objects: StagingObjects | undefined,
  chunks: readonly Pick<ChunkMessage, "object">[],
): Promise<void> {
  if (!objects) return;
  const named = chunks.filter(({ object }) => object !== "");
  await inGroups(named, ({ object }) => objects.remove(object));
}

async function inGroups<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let i = 0; i < items.length; i += AT_ONCE) {
    done.push(...(await Promise.all(items.slice(i, i + AT_ONCE).map(work))));
  }
  return done;
}
