/** Archives of streams: how they are read everywhere, and written where shards are owned. */
import { createArchiveReader } from "../archive/archive-reader.ts";
import { createArchiveStore } from "../archive/archive-store.ts";
import { type Archiver, startArchiver } from "../archive/archiver.ts";
import { readAcross } from "../archive/log-across.ts";
import type { LogReader } from "../core/log.ts";
import type { Closers } from "./closers.ts";
import { environmentOf } from "./environment.ts";
import type { Foundations } from "./foundations.ts";

/** Reads stored records, those that only an archive has included. */
export function openReader(foundations: Omit<Foundations, "reader">, closers: Closers): LogReader {
  const { bus, snapshot, database, masterKey } = foundations;
  const archive = createArchiveReader({
    store: createArchiveStore(database),
    masterKey,
    environment: placeEnvironment(foundations),
  });
  closers.add("reader of archives", async () => archive.close());
  const isArchived = (logUid: string) => snapshot.streamByLog(logUid)?.archive !== undefined;
  return readAcross({ log: bus.reader, archive, isArchived });
}

/** Writes archives; its owner tells it of shards. */
export function openArchiver(foundations: Foundations, closers: Closers): Archiver {
  const { bus, snapshot, database, masterKey, logger } = foundations;
  const archiver = startArchiver({
    definitions: snapshot,
    store: createArchiveStore(database),
    log: bus.reader,
    masterKey,
    environment: placeEnvironment(foundations),
    logger,
  });
  closers.add("archiver", archiver.close);
  return archiver;
}

function placeEnvironment(foundations: Omit<Foundations, "reader">) {
  return { ...environmentOf(foundations), archiveDir: foundations.config.archiveDir };
}
