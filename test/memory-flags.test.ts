import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "tributary-flags-"));
afterAll(() => rmSync(folder, { recursive: true }));
const program = join(folder, "program.ts");
writeFileSync(
  program,
  `import { startWithMemoryFlags } from ${JSON.stringify(join(import.meta.dirname, "../src/memory-flags.ts"))};
const { execPath, execArgv, argv, env: environment } = process;
startWithMemoryFlags({ execPath, execArgv, argv, environment });
const { MALLOC_ARENA_MAX, MINE } = process.env;
console.log(JSON.stringify({ execArgv, words: argv.slice(2), MALLOC_ARENA_MAX, MINE, pid: process.pid }));`,
);

const run = (nodeWords: readonly string[], env: Record<string, string>) =>
  JSON.parse(
    execFileSync(process.execPath, [...nodeWords, program, "a", "b c"], {
      env: { PATH: process.env.PATH ?? "", ...env },
      encoding: "utf8",
    }),
  );

test("the program starts anew with its flags, words and environment", () => {
  expect(run(["--no-warnings"], { MINE: "x y" })).toMatchObject({
    execArgv: ["--max-semi-space-size=8", "--v8-pool-size=2", "--no-warnings"],
    words: ["a", "b c"],
    MALLOC_ARENA_MAX: "2",
    MINE: "x y",
  });
});

test("what was set before wins", () => {
  const flag = "--max-semi-space-size=16";
  expect(run([flag], {})).toMatchObject({ execArgv: [flag] });
  expect(run([], { NODE_OPTIONS: flag })).toMatchObject({ execArgv: [] });
  expect(run([], { MALLOC_ARENA_MAX: "7" })).toMatchObject({ MALLOC_ARENA_MAX: "7" });
});
