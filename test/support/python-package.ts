/** Packages of PyPI, each installed once into a folder of the cache. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** The folder for PYTHONPATH. `requirement` is as pip takes it; `name` is that of the folder. */
export async function installPythonPackage(name: string, requirement: string): Promise<string> {
  const cache = join(homedir(), ".cache", "tributary", "test");
  const folder = join(cache, name);
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
  const fresh = `${folder}.${process.pid}`;
  const words = ["-m", "pip", "install", "-q", "--target", fresh, requirement];
  await promisify(execFile)("python3", words, { timeout: 240_000 });
  await rename(fresh, folder);
  return folder;
}
