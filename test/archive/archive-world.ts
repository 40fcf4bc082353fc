/** A stream with an archive, a log in memory, and owners that can be stopped at named points. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { ArchiveSchema } from "#gen/tributary/management/v1/archive_pb.js";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { createArchiveReader } from "../../src/archive/archive-reader.ts";
import { type ArchiveStore, createArchiveStore } from "../../src/archive/archive-store.ts";
import { encodeArchiveFile } from "../../src/archive/encode-file.ts";
import { readAcross } from "../../src/archive/log-across.ts";
import type { ArchivedLog, ArchiverTools } from "../../src/archive/log-archiver.ts";
import { openPlace, type PlaceEnvironment } from "../../src/archive/place.ts";
import { ensureOperator } from "../../src/catalog/demo.ts";
import { openStoredArchive } from "../../src/core/stored-archive.ts";
import { MemoryShard } from "../delivery/memory-log.ts";
import { useTestCatalog } from "../support/catalog.ts";
import { quietLogger } from "../support/quiet-logger.ts";

/** Where an owner can die: before the plan, between it and the file, before and after the commit. */
export const CRASH_POINTS = ["plan", "planned", "stored", "committed"] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

export class Crash extends Error {}

/** The stream `s` of project `a`, archived as `archive` says. */
export async function openArchiveWorld(
  archiveDir: string,
  archive: MessageInitShape<typeof ArchiveSchema> = {},
) {
  const opened = await useTestCatalog();
  await ensureOperator(opened.catalog, { clientId: "ops", clientSecret: "secret" });
  const ops = opened.as("ops");
  await ops.projects.createProject({ projectId: "a", project: {} });
  const fields = [{ name: "n", type: Field_Type.LONG }];
  await ops.streams.createStream({
    parent: "projects/a",
    streamId: "s",
    stream: { schema: { fields }, archive: { fileTime: durationFromMs(1_000), ...archive } },
  });
  const { database, snapshot, catalog } = opened;
  const shard = new MemoryShard();
  const store = createArchiveStore(database);
  const environment: PlaceEnvironment = {
    logger: quietLogger,
    embeddedDatabaseUrl: undefined,
    isLoopbackAllowed: true,
    egressAllowList: [],
    fileSinkDir: archiveDir,
    archiveDir,
  };
  const { masterKey } = catalog;
  const reader = createArchiveReader({ store, masterKey, environment });
  return {
    ...opened,
    ops,
    shard,
    store,
    environment,
    reader,
    across: readAcross({ log: shard.reader, archive: reader, isArchived: () => true }),
    target(): ArchivedLog {
      const stream = snapshot.stream("projects/a/streams/s")!;
      return { stream, archive: stream.archive!, log: stream.logs.get("main")! };
    },
    /** An owner whose time is `nowMs` from now, and which dies at a point. */
    owner({ crashAt, nowMs = 0 }: { crashAt?: CrashPoint; nowMs?: number } = {}): ArchiverTools {
      const die = (point: CrashPoint) => {
        if (crashAt === point) throw new Crash(point);
      };
      const mortal: ArchiveStore = {
        ...store,
        async plan(file) {
          die("plan");
          const isPlanned = await store.plan(file);
          die("planned");
          return isPlanned;
        },
        async commit(file) {
          die("stored");
          const isNew = await store.commit(file);
          die("committed");
          return isNew;
        },
      };
      return {
        store: mortal,
        log: shard.reader,
        openPlace: (row) =>
          openPlace(openStoredArchive(masterKey, row.streamUid, row), environment, row.logUid),
        make: (job) => encodeArchiveFile(job),
        logger: quietLogger,
        now: () => Date.now() + nowMs,
      };
    },
  };
}
