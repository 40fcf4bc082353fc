import { execFile } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findPostgres, makeUsableCopy } from "../../src/embedded/postgres-binaries.ts";
import { findServiceUser } from "../../src/embedded/service-user.ts";

const run = promisify(execFile);
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tributary-programs-"));
  await chmod(folder, 0o755);
});

afterEach(() => rm(folder, { recursive: true, force: true }));

test("the package's programs run as the service user", async () => {
  const { postgres } = await findPostgres(await findServiceUser(), []);
  expect((await run(postgres, ["--version"])).stdout).toContain("PostgreSQL) 18");
});

test("links between libraries are made when the package's install script was skipped", async () => {
  const user = await findServiceUser();
  const native = dirname(dirname((await findPostgres(user, [])).postgres));
  const bare = join(folder, "bare");
  await cp(native, bare, { recursive: true, verbatimSymlinks: true });
  for (const entry of await readdir(join(bare, "lib"), { withFileTypes: true })) {
    if (entry.isSymbolicLink()) await rm(join(bare, "lib", entry.name));
  }
  const copy = join(folder, "programs", "postgres");
  expect(await makeUsableCopy(bare, copy, user)).toBeUndefined();
  expect(await readdir(join(copy, "lib"))).toContain("libpq.so.5");
});

test("a copy folder that others can write is refused", async () => {
  const native = dirname(dirname((await findPostgres(await findServiceUser(), [])).postgres));
  const open = join(folder, "open");
  await mkdir(open);
  await chmod(open, 0o777);
  expect(await makeUsableCopy(native, join(open, "postgres"), undefined)).toMatch(
    /written by others/,
  );
});

test("a copy runs as the service user, also when processes make it at once", async () => {
  const user = await findServiceUser();
  const native = dirname(dirname((await findPostgres(user, [])).postgres));
  const copy = join(folder, "programs", "postgres");
  const faults = await Promise.all([1, 2].map(() => makeUsableCopy(native, copy, user)));
  expect(faults).toEqual([undefined, undefined]);
  expect(await readdir(dirname(copy))).toEqual(["postgres"]);
});
