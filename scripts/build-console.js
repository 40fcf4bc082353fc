/**
 * Builds the web console of src/console into dist/console: hashed files, and a gzip and a Brotli copy
 * of each beside it. `prepare` runs it with every `npm ci`; without devDependencies, or on a Node that
 * Vite does not run on, it says so and leaves the server without a console. Plain JavaScript, because
 * the Node of the machine may be one that does not run TypeScript.
 */
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const root = join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "..");
const outDir = join(root, "dist/console");

// Whoever builds within a test would get React as it is for development, half again as large.
process.env.NODE_ENV = "production";
const vite = await import("vite").catch((error) => {
  const [line] = String(error?.message ?? error).split("\n");
  process.stderr.write(`console: not built, since Vite cannot be loaded: ${line}\n`);
  return undefined;
});
if (vite) {
  await vite.build({
    root: join(root, "src/console"),
    configFile: false,
    envDir: false,
    logLevel: "warn",
    build: {
      ...{ outDir: `${outDir}.new`, emptyOutDir: true, reportCompressedSize: false },
      // Inlined files would be data: addresses, which the content security policy refuses.
      assetsInlineLimit: 0,
      rolldownOptions: { onLog: dropNoise },
    },
  });
  compressFiles(`${outDir}.new`);
  compressFiles(join(`${outDir}.new`, "assets"));
  // A server that starts meanwhile finds the old console or the new one, and no half of either.
  rmSync(outDir, { recursive: true, force: true });
  renameSync(`${outDir}.new`, outDir);
}

/** "use client" in a library means nothing here; how long a build took depends on the machine. */
function dropNoise(level, log, handle) {
  if (log.code !== "MODULE_LEVEL_DIRECTIVE" && log.code !== "PLUGIN_TIMINGS") handle(level, log);
}

/** Leaves images as they are: they are compressed already. */
function compressFiles(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isFile() || !/\.(html|js|css|svg|json)$/.test(entry.name)) continue;
    const file = join(folder, entry.name);
    const bytes = readFileSync(file);
    writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
    const params = { [constants.BROTLI_PARAM_QUALITY]: 9 };
    writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params }));
  }
}
