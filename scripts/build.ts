/**
 * Makes `dist/`, what the published package runs: Node strips no types below node_modules. tsc
 * compiles; everything in `src/` that is no TypeScript, such as migrations, is copied beside it.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");

rmSync(dist, { recursive: true, force: true });
execFileSync("tsc", ["-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
cpSync(join(root, "src"), dist, {
  recursive: true,
  filter: (path) => statSync(path).isDirectory() || !/\.tsx?$/.test(path),
});
chmodSync(join(dist, "main.js"), 0o755);
