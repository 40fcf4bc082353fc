/** An older version of this repository, from its history. */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

/** How many commits back, unless TRIBUTARY_OLDER names one. */
const COMMITS_BACK = 60;

/** Its files in a folder of their own. */
export interface OlderVersion {
  readonly commit: string;
  readonly root: string;
  close(): void;
}

/** Undefined where the history does not reach back so far, as in a shallow clone. */
export function openOlderVersion(): OlderVersion | undefined {
  const commit = commitOf(process.env.TRIBUTARY_OLDER ?? `HEAD~${COMMITS_BACK}`);
  if (!commit) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "tributary-older-"));
  const archive = execFileSync("git", ["archive", commit, "src", "gen", "proto", "package.json"], {
    cwd: root,
    maxBuffer: 1 << 28,
  });
  execFileSync("tar", ["x", "-C", folder], { input: archive });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const console = join(root, "dist");
  if (existsSync(console)) symlinkSync(console, join(folder, "dist"));
  // The user of the embedded Postgres looks there too.
  chmodSync(folder, 0o755);
  return { commit, root: folder, close: () => rmSync(folder, { recursive: true, force: true }) };
}

function commitOf(revision: string): string | undefined {
  try {
    const args = ["rev-parse", "--verify", "--quiet", `${revision}^{commit}`];
    return execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
  } catch {
    return undefined;
  }
}
