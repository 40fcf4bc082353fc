/**
 * Makes `dist/`, what the published package runs: Node strips no types below node_modules. tsc
 * compiles; everything in `src/` that is no TypeScript, such as migrations, is copied beside it; Vite
 * builds the console.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");

mkdirSync(dist, { recursive: true });
for (const name of readdirSync(dist)) {
  if (name !== "console") rmSync(join(dist, name), { recursive: true, force: true });
}
execFileSync("tsc", ["-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
cpSync(join(root, "src"), dist, {
  recursive: true,
  filter: (path) =>
    path !== join(root, "src/console") && (statSync(path).isDirectory() || !/\.tsx?$/.test(path)),
});
execFileSync(process.execPath, [join(root, "scripts/build-console.js")], { stdio: "inherit" });
chmodSync(join(dist, "main.js"), 0o755);
