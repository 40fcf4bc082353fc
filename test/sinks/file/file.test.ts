import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FileSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { fileDriver } from "../../../src/sinks/file/driver.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tributary-files-"));
});

afterEach(() => rm(root, { recursive: true, force: true }));

const config = create(FileSinkSchema, { directory: "out/daily" });
const environmentHere = () => environment({ schema: schemaOf([]), fileSinkDir: root });
const files = async () => (await readdir(join(root, "out/daily"))).sort();
const complete = async () => (await files()).filter((name) => name.endsWith(".ndjson"));

test("rows are staged, and settled once their file is complete", async () => {
  const sink = await fileDriver.open(config, environmentHere());
  const rows = rowsOf(['{"a":9007199254740993}', '{"a":\n1e400}'], 5);
  expect(await sink.write(requestOf(rows), attempt())).toEqual({
    kind: "rows",
    outcomes: [{ kind: "staged" }, { kind: "staged" }],
  });
  await sink.write(requestOf(rows), attempt());
  expect(await complete()).toEqual([]);
  expect(await sink.flush?.("time", attempt())).toEqual(rows.map((row) => row.place));
  const names = await complete();
  expect(names).toEqual([
    expect.stringMatching(/^sinkuid\w+-g1-p0-5\.0-5\.1-[0-9a-f]{12}\.ndjson$/),
  ]);
  expect(await readFile(join(root, "out/daily", names[0]!), "utf8")).toBe(
    '{"a":9007199254740993}\n{"a": 1e400}\n',
  );
  expect(await sink.flush?.("time", attempt())).toEqual([]);
  await sink.close();
});

test("what was not settled at the end is gone, and written again replaces its file", async () => {
  const rows = rowsOf([{ a: 1 }, { a: 2 }]);
  for (let i = 0; i < 2; i += 1) {
    // What a process left that was killed.
    await mkdir(join(root, "out/daily"), { recursive: true });
    const left = ".sinkuid0000000000001-g1-p0.0123456789ab.part";
    await writeFile(join(root, "out/daily", left), "{}");
    await writeFile(join(root, "out/daily", ".othersink-g1-p0.part"), "not ours");
    const sink = await fileDriver.open(config, environmentHere());
    expect(await files()).not.toContain(left);
    await sink.write(requestOf(rows), attempt());
    await sink.flush?.("count", attempt());
    await sink.write(requestOf(rowsOf([{ a: 3 }], 9)), attempt());
    await sink.close();
  }
  expect(await complete()).toHaveLength(1);
  expect(await files()).toEqual([".othersink-g1-p0.part", (await complete())[0]]);
});

test("two versions of a sink that are open side by side leave each other's rows alone", async () => {
  const first = await fileDriver.open(config, environmentHere());
  await first.write(requestOf(rowsOf([{ a: 1 }], 21)), attempt());
  const second = await fileDriver.open(config, environmentHere());
  await second.write(requestOf(rowsOf([{ b: 2 }], 22)), attempt());
  for (const sink of [first, second]) {
    expect(await sink.flush?.("time", attempt())).toHaveLength(1);
    await sink.close();
  }
  const names = await complete();
  const texts = names.map((name) => readFile(join(root, "out/daily", name), "utf8"));
  expect(await Promise.all(texts)).toEqual(['{"a":1}\n', '{"b":2}\n']);
});

test("partitions and replays have files of their own", async () => {
  const sink = await fileDriver.open(config, environmentHere());
  await sink.write(requestOf(rowsOf([{ a: 1 }]), { partition: 0 }), attempt());
  await sink.write(requestOf(rowsOf([{ a: 2 }]), { partition: 1 }), attempt());
  await sink.write(requestOf(rowsOf([{ a: 3 }]), { isReplay: true }), attempt());
  expect(await sink.flush?.("close", attempt())).toHaveLength(3);
  expect(await complete()).toHaveLength(3);
  await sink.close();
});

test("a directory that cannot be written is a failure of the sink", async () => {
  const sink = await fileDriver.open(config, environmentHere());
  await rm(join(root, "out"), { recursive: true });
  expect(await sink.write(requestOf(rowsOf([{}])), attempt())).toMatchObject({
    scope: "sink",
    reason: "FILE_FAILED",
  });
  await sink.close();
});

test.each(["../x", "/etc", "a/../b", "", "a//b", ".hidden", "a/.", "a\\b", "a\u0000", "a/"])(
  "the directory %j is refused",
  async (directory) => {
    const bad = create(FileSinkSchema, { directory });
    expect(fileDriver.check(bad, { schema: schemaOf([]) })).toMatchObject([{ field: "directory" }]);
    await expect(fileDriver.open(bad, environmentHere())).rejects.toMatchObject({
      reason: "DIRECTORY_REFUSED",
    });
  },
);

test("a link that leads out of the folder is refused", async () => {
  await symlink(tmpdir(), join(root, "out"));
  await expect(fileDriver.open(config, environmentHere())).rejects.toMatchObject({
    reason: "DIRECTORY_REFUSED",
  });
});
