/** The archive of a stream as it lies in the database: its secret sealed, all else to be read. */
import { clone, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Archive, ArchiveSchema } from "#gen/tributary/management/v1/archive_pb.js";
import { type MasterKey, openSecret, sealSecret } from "./envelope.ts";

/** Its columns. */
export interface StoredArchive {
  /** An encoded Archive without its secret. */
  readonly archive: Uint8Array;
  readonly sealedArchiveSecret: Uint8Array | null;
}

/** Puts an archive into columns: its secret is sealed for the stream. */
export function storeArchive(
  masterKey: MasterKey,
  streamUid: string,
  archive: Archive,
): StoredArchive {
  const secret = archive.bucket?.secretAccessKey ?? "";
  const open = clone(ArchiveSchema, archive);
  if (open.bucket) open.bucket.secretAccessKey = "";
  return {
    archive: toBinary(ArchiveSchema, open),
    sealedArchiveSecret:
      secret === "" ? null : sealSecret(masterKey, Buffer.from(secret), contextOf(streamUid)),
  };
}

/** The archive with its secret. */
export function openStoredArchive(
  masterKey: MasterKey,
  streamUid: string,
  { archive, sealedArchiveSecret }: StoredArchive,
): Archive {
  const opened = fromBinary(ArchiveSchema, archive);
  if (opened.bucket && sealedArchiveSecret) {
    const secret = openSecret(masterKey, sealedArchiveSecret, contextOf(streamUid));
    opened.bucket.secretAccessKey = secret.toString();
  }
  return opened;
}

function contextOf(streamUid: string): string {
  return `streams/${streamUid}/archive`;
}

/** Tells places apart: files of one are not in another. */
export function placeKey({ bucket }: Archive): string {
  return bucket ? [bucket.endpoint, bucket.bucket, bucket.prefix].join(" ") : "directory";
}
