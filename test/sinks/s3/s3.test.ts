import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  S3Sink_Compression,
  S3Sink_Format,
  S3SinkSchema,
} from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { s3Driver } from "../../../src/sinks/s3/driver.ts";
import type { OpenSink } from "../../../src/sinks/sink.ts";
import { startAwsDouble } from "../../support/aws/double.ts";
import { createBuckets } from "../../support/aws/s3.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";

const schema = schemaOf([
  { name: "id", type: T.LONG },
  { name: "text", type: T.STRING },
  { name: "more", type: T.JSON },
]);
const env = environment({ schema });
const buckets = createBuckets(["lake"]);
const bucket = buckets.bucket("lake");
let double: Awaited<ReturnType<typeof startAwsDouble>>;
const opened: OpenSink[] = [];

beforeAll(async () => {
  double = await startAwsDouble({}, buckets.fallback);
});
afterAll(async () => {
  for (const sink of opened) await sink.close();
  await double.close();
});
beforeEach(() => {
  bucket.objects.clear();
  bucket.puts = 0;
  bucket.refuse = () => undefined;
});

function configOf(changes: MessageInitShape<typeof S3SinkSchema> = {}) {
  return create(S3SinkSchema, {
    bucket: "lake",
    access: {
      region: "eu-central-1",
      accessKeyId: "AKIATEST",
      secretAccessKey: "s3cr3t-access-key",
      endpoint: double.url,
    },
    ...(changes as object),
  });
}

async function open(changes: MessageInitShape<typeof S3SinkSchema> = {}): Promise<OpenSink> {
  const sink = await s3Driver.open(configOf(changes), env);
  opened.push(sink);
  return sink;
}

const names = () => [...bucket.objects.keys()];
const only = () => bucket.objects.get(names()[0]!)!;

describe("objects", () => {
  test("rows of several requests are one object for each partition, put by a flush", async () => {
    const sink = await open();
    await sink.write(requestOf(rowsOf([{ id: 1 }, '{"id":\n2}'], 1)), attempt());
    await sink.write(requestOf(rowsOf([{ id: 3 }], 2)), attempt());
    await sink.write(requestOf(rowsOf([{ id: 4 }], 3), { partition: 5 }), attempt());
    expect(bucket.puts).toBe(0);
    expect(await sink.flush?.("time", attempt())).toHaveLength(4);
    expect(bucket.puts).toBe(2);
    const texts = [...bucket.objects.values()].map(String).sort();
    expect(texts).toEqual(['{"id":1}\n{"id": 2}\n{"id":3}\n', '{"id":4}\n']);
    expect(names()[0]).toMatch(
      /^2023\/11\/14\/22\/sinkuid0+1-g1-p0-1\.0-2\.0-[0-9a-f]{12}\.ndjson$/,
    );
    expect(await sink.flush?.("time", attempt())).toEqual([]);
    expect(bucket.puts).toBe(2);
  });

  test("the same rows put again replace their object, also from a sink that was opened anew", async () => {
    for (const sink of [await open(), await open()]) {
      await sink.write(requestOf(rowsOf([{ id: 1 }], 1)), attempt());
      await sink.flush?.("count", attempt());
    }
    expect(bucket.puts).toBe(2);
    expect(names()).toHaveLength(1);
  });

  test("names follow the template", async () => {
    const sink = await open({ keyTemplate: "in/dt={year}-{month}-{day}/p={partition}/" });
    await sink.write(requestOf(rowsOf([{ id: 1 }], 1), { partition: 3 }), attempt());
    await sink.flush?.("count", attempt());
    expect(names()[0]).toMatch(/^in\/dt=2023-11-14\/p=3\/sinkuid/);
  });

  test("objects are compressed", async () => {
    for (const [compression, inflate, end] of [
      [S3Sink_Compression.GZIP, gunzipSync, ".ndjson.gz"],
      [S3Sink_Compression.ZSTD, zstdDecompressSync, ".ndjson.zst"],
    ] as const) {
      bucket.objects.clear();
      const sink = await open({ compression });
      await sink.write(requestOf(rowsOf([{ id: 1 }])), attempt());
      await sink.flush?.("count", attempt());
      expect(names()[0]?.endsWith(end)).toBe(true);
      expect(inflate(only()).toString()).toBe('{"id":1}\n');
    }
  });

  test("CSV has a header, quotes as RFC 4180 says, and keeps numbers as they are written", async () => {
    const sink = await open({ format: S3Sink_Format.CSV });
    const records = [
      '{"id":9007199254740993,"text":"a \\"b\\", c\\nd","more":{"n":[1.10,1e400]}}',
      '{"id":2,"text":"","more":null}',
      '{"id":3}',
    ];
    await sink.write(requestOf(rowsOf(records)), attempt());
    await sink.flush?.("count", attempt());
    expect(only().toString()).toBe(
      "id,text,more\r\n" +
        '9007199254740993,"a ""b"", c\nd","{""n"":[1.10,1e400]}"\r\n' +
        '2,"",\r\n' +
        "3,,\r\n",
    );
  });

  test("a put that failed is put again as it is; a flush that settles nothing fails", async () => {
    const sink = await open();
    bucket.refuse = () => ({ status: 503, code: "SlowDown" });
    await sink.write(requestOf(rowsOf([{ id: 1 }], 1)), attempt());
    await expect(sink.flush?.("time", attempt())).rejects.toMatchObject({ reason: "THROTTLED" });
    bucket.refuse = (name) => (name.includes("-p7-") ? { status: 500, code: "Odd" } : undefined);
    await sink.write(requestOf(rowsOf([{ id: 2 }], 2), { partition: 7 }), attempt());
    await sink.write(requestOf(rowsOf([{ id: 3 }], 3)), attempt());
    expect(await sink.flush?.("time", attempt())).toHaveLength(2);
    bucket.refuse = () => undefined;
    await sink.write(requestOf(rowsOf([{ id: 4 }], 4), { partition: 7 }), attempt());
    expect(await sink.flush?.("time", attempt())).toHaveLength(2);
    expect(bucket.objects.size).toBe(4);
  });
});

test("a test names a bucket that is missing, and a right that is", async () => {
  const run = (changes: MessageInitShape<typeof S3SinkSchema> = {}) =>
    s3Driver.test(configOf(changes), env, { prepare: false, signal: attempt() });
  expect((await run()).every(({ isOk }) => isOk)).toBe(true);
  expect((await run({ bucket: "other" })).at(-1)).toMatchObject({
    name: "describe",
    isOk: false,
    message: expect.stringMatching(/^DESTINATION_MISSING/),
  });
  bucket.refuse = () => ({ status: 403, code: "AccessDenied" });
  const last = (await run()).at(-1);
  expect(last?.message).toMatch(/^ACCESS_DENIED: .*AccessDenied: refused/);
  expect(JSON.parse(last?.remedy ?? "").Statement[0]).toEqual({
    Effect: "Allow",
    Action: "s3:PutObject",
    Resource: "arn:aws:s3:::lake/*",
  });
});
