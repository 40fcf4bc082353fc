/** What the archive of a branch holds. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { and, count, eq, isNull, min, sum } from "drizzle-orm";
import {
  type ArchiveStatus,
  ArchiveStatusSchema,
} from "#gen/tributary/management/v1/archive_pb.js";
import type { Database } from "../db/client.ts";
import { archiveFiles, archives } from "../db/schema.ts";

/** Undefined for a branch that never had one. */
export async function archiveStatus(
  database: Database,
  branch: { readonly uid: string; readonly name: string },
): Promise<ArchiveStatus | undefined> {
  return await database.inProject(branch.name, async (queries) => {
    const [row] = await queries.select().from(archives).where(eq(archives.logUid, branch.uid));
    if (!row) return undefined;
    const [files] = await queries
      .select({
        number: count(),
        first: min(archiveFiles.fromSequence),
        records: sum(archiveFiles.records),
        bytes: sum(archiveFiles.bytes),
      })
      .from(archiveFiles)
      .where(and(eq(archiveFiles.logUid, branch.uid), isNull(archiveFiles.expireTime)));
    return create(ArchiveStatusSchema, {
      nextSequence: BigInt(row.nextSequence),
      firstSequence: BigInt(files?.first ?? 0),
      files: BigInt(files?.number ?? 0),
      records: BigInt(files?.records ?? 0),
      bytes: BigInt(files?.bytes ?? 0),
      cause: row.cause,
      ...(row.causeTime && { causeTime: timestampFromDate(row.causeTime) }),
    });
  });
}
