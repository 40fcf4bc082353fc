/** The archive of a stream, as its owner sets it. */
import { clone, create, equals, fromBinary } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { eq } from "drizzle-orm";
import {
  type Archive,
  type ArchiveBucket,
  ArchiveSchema,
} from "#gen/tributary/management/v1/archive_pb.js";
import { type FieldViolation, failFields } from "../core/errors.ts";
import { openStoredArchive, placeKey, storeArchive } from "../core/stored-archive.ts";
import type { Queries } from "../db/client.ts";
import { archives, type streams } from "../db/schema.ts";
import { checkAccess } from "../sinks/aws/access.ts";
import { bucketNameFault } from "../sinks/s3/bucket-name.ts";
import type { Catalog } from "./catalog.ts";

/** Columns of a stream that say what its archive is. */
export type ArchiveColumns = Pick<
  typeof streams.$inferSelect,
  "archive" | "isArchived" | "sealedArchiveSecret"
>;

/** A stream without an archive. */
export const NO_ARCHIVE: ArchiveColumns = {
  archive: null,
  isArchived: false,
  sealedArchiveSecret: null,
};

const KIB = 1024n;
const PREFIX = /^(?:[\w!.*'()=+-]+\/)*[\w!.*'()=+-]*$/;

/** The archive as callers see it: undefined while it takes nothing. */
export function archiveFromRow({ archive, isArchived }: ArchiveColumns): Archive | undefined {
  return archive && isArchived ? fromBinary(ArchiveSchema, archive) : undefined;
}

/**
 * The columns that a wanted archive comes to; a cleared one keeps what it was, to be read. An empty
 * secret is filled from the saved one while key and address are the same. Fails with INVALID_FIELDS.
 */
export function archiveColumns(
  { masterKey }: Pick<Catalog, "masterKey">,
  wanted: Archive | undefined,
  stream: { readonly uid: string } & ArchiveColumns,
): ArchiveColumns {
  const { archive, sealedArchiveSecret } = stream;
  if (!wanted) return { archive, sealedArchiveSecret, isArchived: false };
  const saved = archive
    ? openStoredArchive(masterKey, stream.uid, { archive, sealedArchiveSecret })
    : undefined;
  const filled = clone(ArchiveSchema, wanted);
  if (filled.bucket) filled.bucket.secretAccessKey = secretOf(filled.bucket, saved?.bucket);
  checkArchive(filled);
  return { ...storeArchive(masterKey, stream.uid, filled), isArchived: true };
}

function secretOf(bucket: ArchiveBucket, saved: ArchiveBucket | undefined): string {
  const isSame = saved?.accessKeyId === bucket.accessKeyId && saved.endpoint === bucket.endpoint;
  return bucket.secretAccessKey || (isSame ? saved.secretAccessKey : "");
}

function checkArchive({ bucket, retentionAge, fileTime, fileBytes }: Archive): void {
  const violations: FieldViolation[] = [];
  const add = (field: string, description: string) =>
    violations.push({ field: `stream.archive.${field}`, description });
  if (retentionAge && durationMs(retentionAge) < 60_000) {
    add("retention_age", "must be 1 minute or more");
  }
  if (fileTime && durationMs(fileTime) < 1_000) add("file_time", "must be 1 second to 24 hours");
  if (fileBytes !== 0n && (fileBytes < 64n * KIB || fileBytes > 32n * KIB * KIB)) {
    add("file_bytes", "must be 64 KiB (65536) to 32 MiB (33554432)");
  }
  if (bucket) {
    const { region, accessKeyId, secretAccessKey, roleArn, endpoint } = bucket;
    const access = { region, accessKeyId, secretAccessKey, roleArn, endpoint };
    for (const { field, description } of checkAccess(access)) {
      add(`bucket.${field.replace("access.", "")}`, description);
    }
    const fault = bucketNameFault(bucket.bucket);
    if (fault) add("bucket.bucket", fault);
    if (!PREFIX.test(bucket.prefix) || /(^|\/)\.\.?(\/|$)/.test(bucket.prefix)) {
      add("bucket.prefix", "may hold letters, digits and ! - _ . * ' ( ) = +, joined by /");
    }
  }
  if (violations.length > 0) throw failFields(violations);
}

/** Tries the place of an archive that is new or other than before. Fails with DESTINATION_REFUSED. */
export async function tryArchive(
  { masterKey, tryArchive: attempt }: Pick<Catalog, "masterKey" | "tryArchive">,
  streamUid: string,
  { wanted, saved }: { readonly wanted: ArchiveColumns; readonly saved: ArchiveColumns },
): Promise<void> {
  const { archive, sealedArchiveSecret } = wanted;
  if (!attempt || !archive || !wanted.isArchived) return;
  const opened = openStoredArchive(masterKey, streamUid, { archive, sealedArchiveSecret });
  const before = saved.archive
    ? openStoredArchive(masterKey, streamUid, { ...saved, archive: saved.archive })
    : undefined;
  const isSame = before && equals(ArchiveSchema, withoutTimes(opened), withoutTimes(before));
  if (!isSame) await attempt(opened);
}

function withoutTimes({ bucket }: Archive): Archive {
  return create(ArchiveSchema, bucket && { bucket });
}

/** Refuses another place than the one where files are. Fails with INVALID_FIELDS. */
export async function checkArchivePlace(
  queries: Queries,
  streamUid: string,
  wanted: Uint8Array | null,
): Promise<void> {
  if (!wanted) return;
  const rows = await queries.select().from(archives).where(eq(archives.streamUid, streamUid));
  const place = placeKey(fromBinary(ArchiveSchema, wanted));
  const other = rows.find((row) => placeKey(fromBinary(ArchiveSchema, row.archive)) !== place);
  if (!other) return;
  const description = "the archive has files elsewhere, and they cannot be moved: keep its place";
  throw failFields([{ field: "stream.archive.bucket", description }]);
}
