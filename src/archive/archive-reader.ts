/** Reads what archives hold: the messages as they were in the log. */
import type { MasterKey } from "../core/envelope.ts";
import type { LogMessage } from "../core/log.ts";
import { openStoredArchive } from "../core/stored-archive.ts";
import type { ArchiveSpan, ArchiveStore, FileRow } from "./archive-store.ts";
import type { ArchiveFile } from "./decode-file.ts";
import { createFileCache } from "./file-cache.ts";
import { type ArchivePlace, openPlace, type PlaceEnvironment } from "./place.ts";

/** Where to read, and how much: at least one message is given, whatever its bytes. */
export interface ArchiveRange {
  readonly logUid: string;
  readonly fromSequence: number;
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/** Reads archives. Fails with DATABASE_UNAVAILABLE, or SinkFault when a place cannot be read. */
export interface ArchiveReader {
  /**
   * Archived messages of a log from a sequence on, ascending; empty when the archive holds none there.
   * Read from a sequence behind the last to go on.
   */
  readArchived(range: ArchiveRange): Promise<LogMessage[]>;
  /** What the archive of a log reaches over; undefined when it holds nothing. */
  span(logUid: string): Promise<ArchiveSpan | undefined>;
  /** First archived sequence that was stored at this time or later. */
  sequenceAt(logUid: string, timeMs: number): Promise<number | undefined>;
  close(): void;
}

/** What the reader needs. */
export interface ArchiveReaderOptions {
  readonly store: ArchiveStore;
  readonly masterKey: MasterKey;
  readonly environment: PlaceEnvironment;
}

/** Files kept in memory, in bytes. */
const CACHE_BYTES = 64 * 1024 * 1024;
/** Places that are kept open. */
const PLACES_MAX = 32;

/** Makes the reader. */
export function createArchiveReader(options: ArchiveReaderOptions): ArchiveReader {
  const { store } = options;
  const cache = createFileCache(CACHE_BYTES);
  const places = new Map<string, Promise<ArchivePlace>>();
  const openFile = async ({ logUid, name }: FileRow): Promise<ArchiveFile> => {
    const place = await placeOf(options, places, logUid);
    const bytes = await place.get(name);
    if (!bytes) throw new Error(`the file ${name} of an archive is missing`);
    // The reader of Parquet is loaded where there is an archive to read.
    const { openArchiveFile } = await import("./decode-file.ts");
    return openArchiveFile(bytes, logUid);
  };
  const fileOf = (row: FileRow) => cache.get(`${row.logUid} ${row.name}`, () => openFile(row));
  return {
    async readArchived({ logUid, fromSequence, maxMessages, maxBytes }) {
      const row = await store.fileAt(logUid, fromSequence);
      if (!row) return [];
      const file = await fileOf(row);
      const messages: LogMessage[] = [];
      let bytes = 0;
      for (const group of file.groups) {
        if (group.lastSequence < fromSequence) continue;
        for (const message of await file.read(group)) {
          if (message.sequence < fromSequence) continue;
          const isOver = messages.length >= maxMessages || bytes + message.data.length > maxBytes;
          if (isOver && messages.length > 0) return messages;
          bytes += message.data.length;
          messages.push(message);
        }
      }
      return messages;
    },
    span: store.span,
    async sequenceAt(logUid, timeMs) {
      const row = await store.fileSince(logUid, new Date(Math.floor(timeMs)));
      if (!row) return undefined;
      const file = await fileOf(row);
      for (const group of file.groups) {
        const found = (await file.read(group)).find((message) => message.timeMs >= timeMs);
        if (found) return found.sequence;
      }
      return row.toSequence + 1;
    },
    close() {
      for (const place of places.values()) {
        place.then((open) => open.close()).catch(() => undefined);
      }
      places.clear();
    },
  };
}

/** The place of a log's files, kept open while its archive stays as it is. */
async function placeOf(
  { store, masterKey, environment }: ArchiveReaderOptions,
  places: Map<string, Promise<ArchivePlace>>,
  logUid: string,
): Promise<ArchivePlace> {
  const row = await store.find(logUid);
  if (!row) throw new Error("the archive is gone");
  const archive = openStoredArchive(masterKey, row.streamUid, row);
  const { bucket } = archive;
  const key = bucket ? JSON.stringify([logUid, { ...bucket, $typeName: "" }]) : "directory";
  const known = places.get(key);
  const opening = known ?? openPlace(archive, environment, logUid);
  places.delete(key);
  places.set(key, opening);
  opening.catch(() => places.delete(key));
  const [oldest] = places.keys();
  if (places.size > PLACES_MAX && oldest !== undefined) {
    places.get(oldest)?.then(
      (open) => open.close(),
      () => undefined,
    );
    places.delete(oldest);
  }
  return opening;
}
