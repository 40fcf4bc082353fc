import { createHash } from "node:crypto";
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
const objects = () => names().filter((name) => !name.includes("_manifests/"));
const only = () => bucket.objects.get(objects()[0]!)!;
const delivered = (count: number) => ({
  kind: "rows",
  outcomes: Array.from({ length: count }, () => ({ kind: "delivered" })),
});

describe("commits", () => {
  test("a request is an object and the manifest that names it, put last", async () => {
    const sink = await open();
    const rows = [...rowsOf([{ id: 1 }, '{"id":\n2}'], 1), ...rowsOf([{ id: 3 }], 2)];
    expect(await sink.write(requestOf(rows), attempt())).toEqual(delivered(3));
    expect(objects()).toEqual([
      expect.stringMatching(/^2023\/11\/14\/22\/sinkuid0+1-g1-p0-1\.0-2\.0-[0-9a-f]{12}\.ndjson$/),
    ]);
    expect(only().toString()).toBe('{"id":1}\n{"id": 2}\n{"id":3}\n');
    const name = names().at(-1)!;
    expect(name).toMatch(/^_manifests\/sinkuid0+1-g1-p0-1\.0-2\.0-[0-9a-f]{12}\.json$/);
    expect(JSON.parse(`${bucket.objects.get(name)}`)).toEqual({
      version: 1,
      log: "projects/p/streams/s/branches/main",
      sinkUid: "sinkuid0000000000001",
      generation: 1,
      partition: 0,
      replay: false,
      rows: 3,
      objects: [
        {
          name: objects()[0],
          rows: 3,
          bytes: only().length,
          sha256: createHash("sha256").update(only()).digest("hex"),
          firstPlace: "1-0",
          lastPlace: "2-0",
        },
      ],
    });
  });

  test("the same rows put again are the same names and bytes, also from a sink that was opened anew", async () => {
    const seen: [string, string][][] = [];
    for (const format of [S3Sink_Format.NDJSON, S3Sink_Format.CSV, S3Sink_Format.PARQUET]) {
      for (const compression of [S3Sink_Compression.GZIP, S3Sink_Compression.ZSTD]) {
        for (let repeat = 0; repeat < 2; repeat++) {
          const sink = await open({ format, compression });
          await sink.write(requestOf(rowsOf([{ id: 1 }, { id: 2 }], 1)), attempt());
          seen.push([...bucket.objects].map(([name, body]) => [name, body.toString("hex")]));
          bucket.objects.clear();
        }
        expect(seen.at(-1)).toHaveLength(2);
        expect(seen.at(-1)).toEqual(seen.at(-2));
      }
    }
  });

  test("names follow the template, times of arrival and values of fields, which are escaped", async () => {
    const keyTemplate = "in/dt={year}-{month}-{day}/p={partition}/text={text}/";
    const sink = await open({ keyTemplate });
    const values = [{ text: "a/b é=.." }, { text: ".." }, { text: "" }, { id: 1 }, { text: null }];
    const rows = rowsOf([...values, { text: "x".repeat(300) }], 1);
    await sink.write(requestOf(rows, { partition: 3 }), attempt());
    const folders = objects().map((name) => name.slice(0, name.lastIndexOf("/") + 1));
    expect(folders.sort()).toEqual([
      "in/dt=2023-11-14/p=3/text=%2E%2E/",
      "in/dt=2023-11-14/p=3/text=__HIVE_DEFAULT_PARTITION__/",
      "in/dt=2023-11-14/p=3/text=a%2Fb%20%C3%A9%3D../",
      expect.stringMatching(/^in\/dt=2023-11-14\/p=3\/text=x{111}-[0-9a-f]{16}\/$/),
    ]);
    const manifest = names().find((name) => name.startsWith("in/_manifests/"))!;
    expect(JSON.parse(`${bucket.objects.get(manifest)}`).rows).toBe(6);
  });

  test("a batch of more than 100 folders is refused whole, so that delivery halves it", async () => {
    const sink = await open({ keyTemplate: "{id}/" });
    const rows = rowsOf(Array.from({ length: 101 }, (_, id) => ({ id })));
    expect(await sink.write(requestOf(rows), attempt())).toMatchObject({
      kind: "retry",
      scope: "request",
      reason: "TOO_MANY_FOLDERS",
    });
    expect(bucket.puts).toBe(0);
    expect(await sink.write(requestOf(rows.slice(1)), attempt())).toEqual(delivered(100));
    expect(bucket.puts).toBe(101);
  });

  test("objects are compressed", async () => {
    for (const [compression, inflate, end] of [
      [S3Sink_Compression.GZIP, gunzipSync, ".ndjson.gz"],
      [S3Sink_Compression.ZSTD, zstdDecompressSync, ".ndjson.zst"],
    ] as const) {
      bucket.objects.clear();
      const sink = await open({ compression });
      await sink.write(requestOf(rowsOf([{ id: 1 }])), attempt());
      expect(objects()[0]?.endsWith(end)).toBe(true);
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
    expect(only().toString()).toBe(
      "id,text,more\r\n" +
        '9007199254740993,"a ""b"", c\nd","{""n"":[1.10,1e400]}"\r\n' +
        '2,"",\r\n' +
        "3,,\r\n",
    );
  });

  test("a commit that failed leaves no manifest, and is put again as it is", async () => {
    const sink = await open();
    const request = requestOf(rowsOf([{ id: 1 }], 1));
    bucket.refuse = () => ({ status: 503, code: "SlowDown" });
    const outcome = await sink.write(request, attempt());
    expect(outcome).toMatchObject({ kind: "retry", scope: "sink", reason: "THROTTLED" });
    bucket.refuse = (name) => (name.includes("_man") ? { status: 500, code: "Odd" } : undefined);
    expect(await sink.write(request, attempt())).toMatchObject({ kind: "retry", scope: "sink" });
    expect(names()).toEqual(objects());
    bucket.refuse = () => undefined;
    expect(await sink.write(request, attempt())).toEqual(delivered(1));
    expect(names()).toHaveLength(2);
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
