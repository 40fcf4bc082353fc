import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..");

/** Loads the whole program in a fresh Node; gives addresses of the modules, and what drizzle exports. */
async function loadAll(before: string) {
  const program = `
    import { registerHooks } from "node:module";
    const urls = [];
    registerHooks({ load(url, context, next) { urls.push(url + " " + context.format); return next(url, context); } });
    ${before}
    await import("./src/app.ts");
    const { pgTable } = await import("drizzle-orm/pg-core");
    const schema = await import("./src/db/schema.ts");
    const isOne = Object.getPrototypeOf(schema.streams).constructor === pgTable("t", {}).constructor;
    process.stdout.write(JSON.stringify({ urls, isOne }));`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program], {
    cwd: root,
    maxBuffer: 8 << 20,
  });
  return JSON.parse(stdout) as { urls: string[]; isOne: boolean };
}

test("loading is quicker and loads the very same modules, drizzle once", async () => {
  const cache = mkdtempSync(join(tmpdir(), "tributary-modules-"));
  onTestFinished(() => rmSync(cache, { recursive: true }));
  const plain = await loadAll("");
  const quick = await loadAll(`
    const { speedUpLoading } = await import("./src/module-loading.ts");
    speedUpLoading(${JSON.stringify(cache)});`);
  const known = new Set(plain.urls);
  const others = quick.urls.filter((url) => !known.has(url));
  expect(others.map((url) => url.replace(/^.*\/src\//, ""))).toEqual([
    "module-loading.ts module-typescript",
  ]);
  expect(quick.urls).toHaveLength(plain.urls.length + 1);
  expect(quick.isOne).toBe(true);
  expect(readdirSync(cache)).toHaveLength(1);
});

test("a cache folder that cannot be made is no fault", async () => {
  const { urls } = await loadAll(`
    const { speedUpLoading } = await import("./src/module-loading.ts");
    speedUpLoading("/dev/null/modules");`);
  expect(urls.length).toBeGreaterThan(100);
});
