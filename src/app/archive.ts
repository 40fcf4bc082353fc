/** Archives of streams: how they are read everywhere, and written where shards are owned. */
import type { Archive } from "#gen/tributary/management/v1/archive_pb.js";
import { createArchiveReader } from "../archive/archive-reader.ts";
import { createArchiveStore } from "../archive/archive-store.ts";
import { type Archiver, type ArchiverOptions, startArchiver } from "../archive/archiver.ts";
import { readAcross } from "../archive/log-across.ts";
import { openPlace } from "../archive/place.ts";
import { fail } from "../core/errors.ts";
import { SinkFault } from "../sinks/index.ts";
import type { Closers } from "./closers.ts";
import { environmentOf } from "./environment.ts";
import type { Foundations } from "./foundations.ts";

/** Reads stored records, those that only an archive has included. */
export function openReader(
  foundations: Omit<Foundations, "reader" | "kept">,
  closers: Closers,
): Pick<Foundations, "reader" | "kept"> {
  const { bus, snapshot, database, masterKey } = foundations;
  const archive = createArchiveReader({
    store: createArchiveStore(database),
    masterKey,
    environment: placeEnvironment(foundations),
  });
  closers.add("reader of archives", async () => archive.close());
  const archiveOf = (logUid: string) => snapshot.streamByLog(logUid)?.archive;
  const isArchived = (logUid: string) => archiveOf(logUid) !== undefined;
  return {
    reader: readAcross({ log: bus.reader, archive, isArchived }),
    kept: {
      isKept: (logUid) => archiveOf(logUid)?.isTaking ?? false,
      async keptFrom(logUid) {
        return isArchived(logUid) ? (await archive.span(logUid))?.first : undefined;
      },
    },
  };
}

/** Writes archives; its owner tells it of shards. `needs` says what must stay in them. */
export function openArchiver(
  foundations: Foundations,
  closers: Closers,
  needs: Pick<ArchiverOptions, "neededFrom" | "beforeDelete">,
): Archiver {
  const { bus, snapshot, database, masterKey, logger } = foundations;
  const archiver = startArchiver({
    definitions: snapshot,
    store: createArchiveStore(database),
    log: bus.reader,
    masterKey,
    environment: placeEnvironment(foundations),
    logger,
    ...needs,
  });
  closers.add("archiver", archiver.close);
  return archiver;
}

const PROBE = ".tributary-test";

/** Writes, reads and deletes a file in the place of an archive. */
export function createArchiveTrial(foundations: Foundations) {
  return async (archive: Archive): Promise<void> => {
    try {
      const place = await openPlace(archive, placeEnvironment(foundations), "archive");
      try {
        await place.put(PROBE, Buffer.from(PROBE));
        await place.get(PROBE);
        await place.remove(PROBE);
      } finally {
        place.close();
      }
    } catch (error) {
      if (!(error instanceof SinkFault)) throw error;
      throw fail("DESTINATION_REFUSED", `archive: ${error.reason}: ${error.message}`, {
        metadata: { stage: "write" },
        cause: error,
      });
    }
  };
}

function placeEnvironment(foundations: Omit<Foundations, "reader" | "kept">) {
  return { ...environmentOf(foundations), archiveDir: foundations.config.archiveDir };
}
