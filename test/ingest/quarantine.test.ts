import { expect, test } from "vitest";
import { reasonOf } from "../../src/core/errors.ts";
import { createQuarantine, type QuarantineEntries } from "../../src/ingest/quarantine.ts";
import { createReplays } from "../../src/ingest/replays.ts";

function memoryEntries() {
  const values = new Map<string, Uint8Array>();
  const below = (prefix: string) =>
    [...values.keys()].filter((key) => key.startsWith(`${prefix}.`));
  const entries: QuarantineEntries = {
    async writeMany(writes) {
      for (const { key, value } of writes) values.set(key, value);
    },
    async get(key) {
      const value = values.get(key);
      return value && { value };
    },
    keys: async (prefix) => below(prefix),
    async deleteMany(keys) {
      for (const key of keys) values.delete(key);
    },
    async deleteAll(prefix) {
      for (const key of below(prefix)) values.delete(key);
    },
  };
  return { entries, values };
}

const owner = { uid: "source", projectUid: "project" };
const refused = (text: string, index = 0) => ({
  index,
  content: Buffer.from(text),
  reason: "RECORD_INVALID" as const,
  error: "is wrong",
});
const facts = (arrivalTimeMs: number) => ({ address: "192.0.2.1", arrivalTimeMs });

test("the quarantine lists newest first, and is bounded by records of a source and bytes of a project", async () => {
  const { entries } = memoryEntries();
  const quarantine = createQuarantine(entries, { records: 3, bytes: 40 });
  await quarantine.put(owner, [refused("one")], facts(1_000));
  const [second] = await quarantine.put(owner, [refused("two", 7)], facts(2_000));
  const ids = await quarantine.ids(owner);
  expect(ids[0]).toBe(second);
  const [record] = await quarantine.read(owner, [ids[0] ?? "", "no-such-id"]);
  expect(record).toMatchObject({ index: 7, error: "is wrong", address: "192.0.2.1" });
  const put = (text: string, count = 1, of = owner) =>
    quarantine
      .put(
        of,
        Array.from({ length: count }, () => refused(text)),
        facts(3_000),
      )
      .then(
        () => "kept",
        (error: unknown) => reasonOf(error),
      );
  expect(await put("x", 2)).toBe("QUOTA_EXCEEDED");
  expect(await put("x".repeat(400), 1, { uid: "other", projectUid: "project" })).toBe(
    "QUOTA_EXCEEDED",
  );
  expect(await put("x".repeat(10), 1, { uid: "x", projectUid: "elsewhere" })).toBe("kept");
  await quarantine.remove(owner, ids);
  expect(await quarantine.ids(owner)).toEqual([]);
});

test("what deleted sources left is swept, and what is young or of a living one is not", async () => {
  const { entries, values } = memoryEntries();
  const quarantine = createQuarantine(entries);
  const nowMs = 1_800_000_000_000;
  for (const [uid, ageMs] of [
    ["gone", 700_000],
    ["young", 1_000],
    ["living", 700_000],
  ] as const) {
    await quarantine.put({ uid, projectUid: "p" }, [refused("x")], facts(nowMs - ageMs));
  }
  await quarantine.sweep((uid) => uid === "living", nowMs);
  expect([...values.keys()].map((key) => key.split(".")[2]).sort()).toEqual(["living", "young"]);
});

test("check 29: another node and a restarted one know a signed request that was taken", async () => {
  const { entries } = memoryEntries();
  const sender = { keyUid: "k", replay: { id: "msg 1", untilMs: 10_000 } };
  await createReplays(entries).add("source", sender);
  const other = createReplays(entries);
  expect(await other.has("source", sender, 5_000)).toBe(true);
  expect(await other.has("source", { replay: { id: "msg 2", untilMs: 1 } }, 5_000)).toBe(false);
  expect(await other.has("another", sender, 5_000)).toBe(false);
  expect(await other.has("source", {}, 5_000)).toBe(false);
});
