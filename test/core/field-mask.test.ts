import { create } from "@bufbuild/protobuf";
import { durationFromMs, FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { StreamSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { applyFieldMask } from "../../src/core/field-mask.ts";
import { failureOf } from "../support/reason-of-call.ts";

const writable = ["display_name", "description", "key_fields", "retention"];
const current = create(StreamSchema, {
  name: "projects/p/streams/s",
  displayName: "Old",
  description: "Kept",
  keyFields: ["a"],
  retention: { age: durationFromMs(60_000), bytes: 5n },
});
const apply = (changed: Parameters<typeof create<typeof StreamSchema>>[1], ...paths: string[]) =>
  applyFieldMask(StreamSchema, {
    current,
    changed: create(StreamSchema, changed),
    mask: create(FieldMaskSchema, { paths }),
    writable,
  });

test("changes what the mask names, also to nothing, and leaves the rest", () => {
  const result = apply(
    { displayName: "New", name: "other", uid: "x" },
    "display_name",
    "key_fields",
  );
  expect(result).toEqual({ ...current, displayName: "New", keyFields: [] });
  expect(current.keyFields).toEqual(["a"]);
});

test("reaches fields below a message", () => {
  const result = apply({ retention: { bytes: 7n } }, "retention.bytes");
  expect(result.retention?.bytes).toBe(7n);
  expect(result.retention?.age?.seconds).toBe(60n);
});

test("an empty mask means the writable fields that are set, and * all writable ones", () => {
  expect(apply({ displayName: "New", uid: "x" })).toEqual({ ...current, displayName: "New" });
  const all = apply({ displayName: "New", uid: "x" }, "*");
  expect(all).toMatchObject({ displayName: "New", description: "", keyFields: [], uid: "" });
  expect(all.retention).toBeUndefined();
});

test("refuses unknown and output-only paths, all at once", async () => {
  const paths = ["uid", "display_name", "nothing", "display_name.x", "retention.nothing"];
  const failure = await failureOf((async () => apply({}, ...paths))());
  expect(failure.reason).toBe("INVALID_FIELDS");
  expect(failure.fields).toEqual([0, 2, 3, 4].map((index) => `update_mask.paths[${index}]`));
});

test("a member of a oneof can be changed in part", () => {
  const saved = create(SinkSchema, {
    config: { case: "webhook", value: { url: "https://a", signingSecret: "s" } },
  });
  const changed = create(SinkSchema, { config: { case: "webhook", value: { url: "https://b" } } });
  const mask = create(FieldMaskSchema, { paths: ["webhook.url"] });
  const result = applyFieldMask(SinkSchema, {
    current: saved,
    changed,
    mask,
    writable: ["webhook"],
  });
  expect(result.config.value).toMatchObject({ url: "https://b", signingSecret: "s" });
});
