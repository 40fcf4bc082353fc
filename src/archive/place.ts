/** Where the files of an archive are: a directory of the server, or a bucket. */
import { create } from "@bufbuild/protobuf";
import type { Archive, ArchiveBucket } from "#gen/tributary/management/v1/archive_pb.js";
import { type AwsAccess, AwsAccessSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { openBucket } from "../sinks/s3/client.ts";
import type { SinkEnvironment } from "../sinks/sink.ts";
import { openDirectoryPlace } from "./directory-place.ts";

/** An open place. Names are parts joined by `/`. Every method rejects in time (30 s). */
export interface ArchivePlace {
  /** Stores a file whole and durably, in the place of one of that name. */
  put(name: string, bytes: Buffer): Promise<void>;
  /** The bytes of a file; undefined when there is none. */
  get(name: string): Promise<Buffer | undefined>;
  /** Deletes a file; does nothing when there is none. */
  remove(name: string): Promise<void>;
  close(): void;
}

/** What places are opened with. */
export interface PlaceEnvironment
  extends Omit<SinkEnvironment, "sinkUid" | "sinkName" | "logName" | "logUid" | "schema"> {
  /** Root folder of archives in the server's own directory. */
  readonly archiveDir: string;
}

const TIMEOUT_MS = 30_000;

/** The rights of an archive's bucket, as all that is Amazon's takes them. */
export function awsAccessOf(bucket: ArchiveBucket): AwsAccess {
  const { region, accessKeyId, secretAccessKey, roleArn, endpoint } = bucket;
  return create(AwsAccessSchema, { region, accessKeyId, secretAccessKey, roleArn, endpoint });
}

/** Opens the place of an archive, secret included, for a log. */
export async function openPlace(
  { bucket: config }: Archive,
  env: PlaceEnvironment,
  logUid: string,
): Promise<ArchivePlace> {
  if (!config) return openDirectoryPlace(env.archiveDir);
  const { bucket, prefix } = config;
  const client = await openBucket(
    { bucket, access: awsAccessOf(config) },
    {
      ...env,
      logUid,
      sinkUid: logUid,
      sinkName: "archive",
      logName: "archive",
      schema: create(SchemaSchema),
    },
  );
  const signal = () => AbortSignal.timeout(TIMEOUT_MS);
  const contentType = "application/vnd.apache.parquet";
  return {
    put: (name, body) => client.put({ name: prefix + name, body, contentType }, signal()),
    get: (name) => client.get(prefix + name, signal()),
    remove: (name) => client.remove(prefix + name, signal()),
    close: () => client.close(),
  };
}
