/** The bucket, reached by the client of AWS, which loads when a bucket is first opened. */
import { createHash } from "node:crypto";
import type { S3Sink } from "#gen/tributary/management/v1/sink_pb.js";
import { openConnection } from "../aws/connection.ts";
import { toAwsFault } from "../aws/fault.ts";
import type { SinkEnvironment } from "../sink.ts";

/** Objects are taken whole into memory. */
const ANSWERS = { bytesMax: 128 * 1024 * 1024, isStream: true };

/** An object as it is put. */
export interface OutgoingObject {
  readonly name: string;
  readonly body: Buffer;
  readonly contentType: string;
}

/** An open bucket. Every method throws SinkFault. */
export interface BucketClient {
  /** Whether the bucket is there. */
  head(signal: AbortSignal): Promise<void>;
  /** Puts an object in one piece: it is there whole, or not at all. */
  put(object: OutgoingObject, signal: AbortSignal): Promise<void>;
  /** The bytes of an object; undefined when there is none. */
  get(name: string, signal: AbortSignal): Promise<Buffer | undefined>;
  /** Deletes an object; does nothing when there is none. */
  remove(name: string, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** Opens the bucket; nothing is sent yet. */
export async function openBucket(
  config: Pick<S3Sink, "bucket" | "access">,
  env: SinkEnvironment,
): Promise<BucketClient> {
  const { options, close } = await openConnection(config.access!, env, ANSWERS);
  const aws = await import("@aws-sdk/client-s3");
  const { HeadBucketCommand, PutObjectCommand, S3Client } = aws;
  const client = new S3Client({
    ...options,
    forcePathStyle: options.endpoint !== undefined,
    followRegionRedirects: false,
    // Not all that speak the protocol know the newer checksums; Content-MD5 is known to all.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  const { bucket: Bucket } = config;
  const remedy = bucketPolicy(config);
  return {
    async head(abortSignal) {
      try {
        await client.send(new HeadBucketCommand({ Bucket }), { abortSignal });
      } catch (error) {
        throw toAwsFault(error, { what: "looking for the bucket", remedy });
      }
    },
    async put({ name, body, contentType }, abortSignal) {
      const command = new PutObjectCommand({
        Bucket,
        Key: name,
        Body: body,
        ContentType: contentType,
        ContentMD5: createHash("md5").update(body).digest("base64"),
      });
      try {
        await client.send(command, { abortSignal });
      } catch (error) {
        throw toAwsFault(error, { what: "putting an object", remedy });
      }
    },
    async get(Key, abortSignal) {
      try {
        const command = new aws.GetObjectCommand({ Bucket, Key });
        const { Body } = await client.send(command, { abortSignal });
        return Buffer.from((await Body?.transformToByteArray()) ?? []);
      } catch (error) {
        if ((error as Error).name === "NoSuchKey") return undefined;
        throw toAwsFault(error, { what: "getting an object" });
      }
    },
    async remove(Key, abortSignal) {
      try {
        await client.send(new aws.DeleteObjectCommand({ Bucket, Key }), { abortSignal });
      } catch (error) {
        throw toAwsFault(error, { what: "deleting an object" });
      }
    },
    close() {
      client.destroy();
      close();
    },
  };
}

/** The least policy that this sink needs for its bucket, as JSON to copy. */
export function bucketPolicy({ bucket, access }: Pick<S3Sink, "bucket" | "access">): string {
  const arn = `arn:${access?.region.startsWith("cn-") ? "aws-cn" : "aws"}:s3:::${bucket}`;
  const Statement = [
    { Effect: "Allow", Action: "s3:PutObject", Resource: `${arn}/*` },
    { Effect: "Allow", Action: "s3:ListBucket", Resource: arn },
  ];
  return JSON.stringify({ Version: "2012-10-17", Statement }, null, 2);
}
