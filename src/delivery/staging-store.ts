/** What is stored of staged rows: chunks, the cursors beside them, and how far they were imported. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type StagedChunk as ChunkMessage,
  StagedChunkSchema,
  type StagingCursor,
  StagingCursorSchema,
  type StagingState,
  StagingStateSchema,
} from "#gen/tributary/delivery/v1/staging_pb.js";
import { type KeyedLog, type KeyedWrite, StaleKeysError, type TimedEntry } from "../bus/index.ts";
import type { StagedChunk, StagedStore } from "../sinks/staging.ts";
import { keepLines, readLines, removeLines, type StagingObjects } from "./staging-objects.ts";

/** Form of the chunks that this program writes and reads. */
export const CHUNK_FORMAT = 1;
const PAGE_BYTES = 4 * 1024 * 1024;

/** A document with the sequence that the next write of it expects; 0 when there is none yet. */
export interface Versioned<T> {
  readonly value: T;
  readonly sequence: number;
}

/** How much was staged and not imported. */
export interface StagingFill {
  readonly rows: number;
  readonly bytes: number;
  /** When the oldest chunk was staged; undefined when there is none. */
  readonly oldestMs: number | undefined;
  readonly state: Versioned<StagingState>;
}

/** What a read of chunks stops at. */
export interface ChunkRange {
  readonly afterSequence: number;
  /** No chunk above this one; all when left out. */
  readonly throughSequence?: number;
  readonly maxBytes: number;
  readonly maxChunks?: number;
  /** Whether lines that are in objects stay there: `csv` is empty then. */
  readonly isBare?: boolean;
}

/** The staged rows of all sinks. Everything fails with LOG_UNAVAILABLE. */
export interface StagingStore {
  cursor(sinkUid: string, partition: number): Promise<Versioned<StagingCursor> | undefined>;
  /** Writes a cursor and, in one go, the chunks of the request it tells of. Fails with StaleKeysError. */
  append(
    sinkUid: string,
    partition: number,
    write: {
      readonly cursor: Versioned<StagingCursor>;
      readonly chunks: readonly ChunkMessage[];
      /** Where the lines are kept; in the bucket, where there is one, when left out. */
      readonly store?: StagedStore | undefined;
    },
  ): Promise<number>;
  fill(sinkUid: string): Promise<StagingFill>;
  /** Oldest first. */
  chunks(sinkUid: string, range: ChunkRange): Promise<StagedChunk[]>;
  state(sinkUid: string): Promise<Versioned<StagingState>>;
  /** Fails with StaleKeysError when another node has written meanwhile. */
  writeState(sinkUid: string, state: Versioned<StagingState>): Promise<Versioned<StagingState>>;
  /** Removes chunks that are imported or have expired. */
  removeThrough(sinkUid: string, sequence: number): Promise<void>;
  /** Removes all of a sink. */
  removeAll(sinkUid: string): Promise<void>;
  /** Sinks of which there is anything. */
  sinkUids(): Promise<Set<string>>;
}

/** The store in a keyed log; with objects, lines are kept there. */
export function createStagingStore(log: KeyedLog, objects?: StagingObjects): StagingStore {
  const cursorKey = (uid: string, partition: number) => `cursor.${uid}.${partition}`;
  const stateKey = (uid: string) => `state.${uid}.0`;
  const state: StagingStore["state"] = async (uid) => {
    const entry = await log.get(stateKey(uid));
    if (!entry) return { value: create(StagingStateSchema), sequence: 0 };
    return { value: fromBinary(StagingStateSchema, entry.value), sequence: entry.sequence };
  };
  const chunks: StagingStore["chunks"] = (uid, range) => readChunks({ log, objects }, uid, range);
  const removeObjects = (uid: string, through: number) =>
    removeObjectsOf({ log, objects }, uid, through);
  return {
    state,
    chunks,
    async cursor(uid, partition) {
      const entry = await log.get(cursorKey(uid, partition));
      if (!entry) return undefined;
      return { value: fromBinary(StagingCursorSchema, entry.value), sequence: entry.sequence };
    },
    async append(uid, partition, { cursor, chunks: given, store }) {
      const added = await keepLines(objects, {
        folder: `${uid}/${partition}`,
        chunks: given,
        store,
      });
      const writes: KeyedWrite[] = added.map((chunk, index) => ({
        key: `chunk.${uid}.${partition}.${cursor.sequence}.${index}`,
        value: toBinary(StagedChunkSchema, chunk),
      }));
      const value = toBinary(StagingCursorSchema, cursor.value);
      try {
        const sequences = await log.writeMany([
          ...writes,
          { key: cursorKey(uid, partition), value, expectedSequence: cursor.sequence },
        ]);
        return sequences.at(-1)!;
      } catch (error) {
        // Nobody will ever name them.
        if (error instanceof StaleKeysError)
          await removeLines(objects, added).catch(() => undefined);
        throw error;
      }
    },
    async fill(uid) {
      const now = await state(uid);
      const cursors = await log.list(`cursor.${uid}`);
      let [rows, bytes] = [-Number(now.value.doneRows), -Number(now.value.doneBytes)];
      for (const entry of cursors) {
        const cursor = fromBinary(StagingCursorSchema, entry.value);
        rows += Number(cursor.rows);
        bytes += Number(cursor.bytes);
      }
      // The documents are not read at one moment: less than nothing is nothing.
      if (rows <= 0) return { rows: 0, bytes: 0, oldestMs: undefined, state: now };
      const afterSequence = Number(now.value.doneSequence);
      const page = { afterSequence, maxEntries: 1, maxBytes: 1 };
      const [oldest] = await log.page(`chunk.${uid}`, page);
      return { rows, bytes: Math.max(0, bytes), oldestMs: oldest?.timeMs, state: now };
    },
    async writeState(uid, { value, sequence }) {
      const bytes = toBinary(StagingStateSchema, value);
      const key = stateKey(uid);
      const [written] = await log.writeMany([{ key, value: bytes, expectedSequence: sequence }]);
      return { value, sequence: written! };
    },
    async removeThrough(uid, sequence) {
      await removeObjects(uid, sequence);
      await log.deleteThrough(`chunk.${uid}`, sequence);
    },
    async removeAll(uid) {
      await removeObjects(uid, Number.POSITIVE_INFINITY);
      for (const kind of ["chunk", "cursor", "state"]) await log.deleteAll(`${kind}.${uid}`);
    },
    async sinkUids() {
      const keys = [...(await log.keys("cursor")), ...(await log.keys("state"))];
      return new Set(keys.map((key) => key.split(".")[1]!));
    },
  };
}

interface Places {
  readonly log: KeyedLog;
  readonly objects: StagingObjects | undefined;
}

async function readChunks(
  { log, objects }: Places,
  sinkUid: string,
  { afterSequence, throughSequence = Number.POSITIVE_INFINITY, isBare, ...max }: ChunkRange,
): Promise<StagedChunk[]> {
  const found: StagedChunk[] = [];
  let [bytes, after] = [0, afterSequence];
  const maxChunks = max.maxChunks ?? Number.POSITIVE_INFINITY;
  while (bytes < max.maxBytes && found.length < maxChunks) {
    const entries = await log.page(`chunk.${sinkUid}`, {
      afterSequence: after,
      maxEntries: Math.min(1_000, maxChunks - found.length),
      maxBytes: Math.min(PAGE_BYTES, max.maxBytes - bytes),
    });
    for (const entry of entries) {
      if (entry.sequence > throughSequence || bytes >= max.maxBytes) return found;
      const message = decodeMessage(entry);
      const csv = isBare ? message.csv : await readLines(objects, message);
      found.push(chunkOf(entry, message, csv));
      bytes += entry.value.byteLength + csv.byteLength - message.csv.byteLength;
      after = entry.sequence;
    }
    if (entries.length === 0) return found;
  }
  return found;
}

async function removeObjectsOf(
  { log, objects }: Places,
  sinkUid: string,
  through: number,
): Promise<void> {
  if (!objects) return;
  for (let afterSequence = 0; ; ) {
    const page = { afterSequence, maxEntries: 1_000, maxBytes: PAGE_BYTES };
    const entries = await log.page(`chunk.${sinkUid}`, page);
    const gone = entries.filter(({ sequence }) => sequence <= through);
    await removeLines(objects, gone.map(decodeMessage));
    if (gone.length === 0 || gone.length < entries.length) return;
    afterSequence = gone.at(-1)!.sequence;
  }
}

function decodeMessage({ value }: TimedEntry): ChunkMessage {
  const chunk = fromBinary(StagedChunkSchema, value);
  if (chunk.format <= CHUNK_FORMAT) return chunk;
  throw new Error(`staged rows have the form ${chunk.format}: a newer program wrote them`);
}

function chunkOf(
  { sequence, timeMs }: TimedEntry,
  chunk: ChunkMessage,
  csv: Uint8Array,
): StagedChunk {
  return {
    sequence,
    timeMs,
    sinkVersion: Number(chunk.sinkVersion),
    partition: chunk.partition,
    isReplay: chunk.isReplay,
    columns: chunk.columns,
    places: chunk.sequences.map((s, i) => ({ sequence: Number(s), index: chunk.indexes[i] ?? 0 })),
    lineBytes: chunk.lineBytes,
    csv,
  };
}

/** Bytes of the lines of a chunk. */
export function bytesOfLines({ lineBytes }: Pick<StagedChunk, "lineBytes">): number {
  return lineBytes.reduce((sum, bytes) => sum + bytes, 0);
}
