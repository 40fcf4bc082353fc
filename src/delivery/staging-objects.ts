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
import type { StagedStore } from "../sinks/staging.ts";

/** Where objects are kept. Every method rejects in time. */
export interface StagingObjects {
  put(name: string, bytes: Buffer): Promise<void>;
  /** Undefined when there is none of that name. */
  get(name: string): Promise<Buffer | undefined>;
  remove(name: string): Promise<void>;
}

/** Objects that are put, read or removed at once. */
const AT_ONCE = 8;

/**
 * Keeps the lines of chunks where they are wanted; gives the chunks to store. Fails with STAGING_MISSING
 * when they are wanted in a bucket and there is none any more.
 */
export async function keepLines(
  objects: StagingObjects | undefined,
  {
    folder,
    chunks,
    store = objects ? "bucket" : "log",
  }: {
    readonly folder: string;
    readonly chunks: readonly ChunkMessage[];
    readonly store?: StagedStore | undefined;
  },
): Promise<readonly ChunkMessage[]> {
  if (store === "log" || chunks.length === 0) return chunks;
  if (objects) return await putLines(objects, folder, chunks);
  const why = "rows are to be staged in a bucket, and TRIBUTARY_STAGING_BUCKET is not set any more";
  throw new SinkFault("STAGING_MISSING", why);
}

/** Puts the lines of chunks into objects; gives the chunks that name them. */
async function putLines(
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
