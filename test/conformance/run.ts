/**
 * Installs connectconformance into the cache (Go is needed), makes stubs from the protos that come
 * with its module, and runs every case against the server. More arguments go to the runner.
 */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const VERSION = "v1.0.7";
const MODULE = "connectrpc.com/conformance";
const root = resolve(import.meta.dirname, "../..");
const cache = join(root, ".cache", "conformance", VERSION);
const runner = join(cache, "connectconformance");
const stubs = join(cache, "gen");

mkdirSync(cache, { recursive: true });
if (!existsSync(runner)) {
  console.log(`installing connectconformance ${VERSION}`);
  execFileSync("go", ["install", `${MODULE}/cmd/connectconformance@${VERSION}`], {
    env: { ...process.env, GOBIN: cache },
    stdio: "inherit",
    timeout: 600_000,
  });
}
if (!existsSync(stubs)) {
  const module = execFileSync("go", ["mod", "download", "-json", `${MODULE}@${VERSION}`], {
    encoding: "utf8",
    timeout: 600_000,
  });
  const { Dir } = JSON.parse(module) as { Dir: string };
  const template = join(cache, "buf.gen.json");
  const plugin = join(root, "node_modules/.bin/protoc-gen-es");
  writeFileSync(
    template,
    JSON.stringify({
      version: "v2",
      plugins: [{ local: plugin, out: stubs, opt: ["target=js", "import_extension=js"] }],
    }),
  );
  execFileSync(join(root, "node_modules/.bin/buf"), ["generate", Dir, "--template", template], {
    stdio: "inherit",
    timeout: 120_000,
  });
}

const server = join(root, "test/conformance/server.ts");
const child = spawn(
  runner,
  [
    "--mode",
    "server",
    "--conf",
    join(root, "test/conformance/config.yaml"),
    ...process.argv.slice(2),
    "--",
    process.execPath,
    server,
    stubs,
  ],
  { stdio: "inherit" },
);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
child.on("exit", (code) => process.exit(code ?? 1));
