import { execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endEmbedded, fetchToken, waitFor } from "../support/server.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");

interface Manifest {
  readonly version: string;
  readonly private?: boolean;
  readonly scripts: Record<string, string>;
  readonly dependencies: Record<string, string>;
  readonly bin: Record<string, string>;
}

let folder: string;
let installed: string;
let manifest: Manifest;

beforeAll(async () => {
  // Not below a folder that the embedded Postgres' user cannot enter.
  folder = mkdtempSync(join(tmpdir(), "tributary-package-"));
  await run("chmod", ["755", folder]);
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: root,
  });
  const [, file] = /"filename": "([^"]+)"/.exec(stdout) ?? [];
  const app = join(folder, "app");
  mkdirSync(app);
  writeFileSync(join(app, "package.json"), '{"private": true, "type": "module"}');
  const install = ["install", "--prefer-offline", "--no-audit", "--no-fund"];
  await run("npm", [...install, join(folder, file ?? "")], { cwd: app });
  installed = join(app, "node_modules/tributary");
  manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as Manifest;
}, 300_000);
afterAll(() => {
  if (folder) rmSync(folder, { recursive: true, force: true });
});

test("the package is private, installs without scripts of its own, and its program is executable", () => {
  expect(manifest.private).toBe(true);
  for (const name of ["preinstall", "install", "postinstall"]) {
    expect(manifest.scripts).not.toHaveProperty(name);
  }
  expect(manifest.bin).toEqual({ tributary: "./dist/main.js" });
  expect(statSync(join(installed, "dist/main.js")).mode & 0o111).toBe(0o111);
});

test("the package names every package that it imports", async () => {
  const { stdout } = await run(
    "grep",
    ["-rhoE", `(from |import\\()"[^".#][^"]*"`, "dist", "gen", "client", "--include=*.js"],
    { cwd: installed },
  );
  const names = stdout.split("\n").flatMap((line) => {
    const specifier = /"([^"]+)"/.exec(line)?.[1];
    if (specifier === undefined || specifier.startsWith("node:")) return [];
    return specifier.startsWith("@") ? specifier.split("/", 2).join("/") : specifier.split("/", 1);
  });
  expect(names.length).toBeGreaterThan(100);
  for (const name of new Set(names)) {
    expect(builtinModules).not.toContain(name);
    expect(Object.keys(manifest.dependencies)).toContain(name);
  }
});

test("the installed client loads in Node", async () => {
  const program = `import { PushService } from "tributary/client"; console.log(PushService.typeName);`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program], {
    cwd: join(folder, "app"),
  });
  expect(stdout.trim()).toBe("tributary.push.v1.PushService");
});

test("N01: `npx tributary serve` starts the installed package and takes a push", async () => {
  const app = join(folder, "app");
  const dataDir = join(app, ".tributary");
  // A group of its own, so that the end reaches the server below npx.
  const child = spawn("npx", ["tributary", "serve"], {
    cwd: app,
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (output += chunk));
  const exited = new Promise((resolve) => child.on("exit", resolve));
  try {
    await waitFor(() => child.exitCode !== null || /^ready/m.test(output), {
      timeoutMs: 90_000,
      what: () => `the start: ${output}`,
    });
    expect(output).toMatch(/^ready/m);
    expect(output).toContain(`Tributary ${manifest.version}`);
    const lines = readFileSync(join(dataDir, "demo.env"), "utf8").trim().split("\n");
    const env: Record<string, string> = Object.fromEntries(
      lines.map((line) => line.split(/=(.*)/s).slice(0, 2)),
    );
    const url = env.TRIBUTARY_URL ?? "";
    const answer = await fetch(`${url}/v1/${env.STREAM}/records`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${await fetchToken(url, env)}`,
        "content-type": "application/json",
      },
      body: '{"value":{"sensor_id":"packed","temperature":1,"created_at":"2026-01-01T00:00:00Z"}}',
    });
    expect(await answer.json()).toMatchObject({ accepted: "1" });
    const document = (await (await fetch(`${url}/openapi.json`)).json()) as { openapi: string };
    expect(document.openapi).toMatch(/^3\./);
  } finally {
    process.kill(-(child.pid ?? 0), "SIGTERM");
    await exited;
    await endEmbedded(dataDir);
  }
}, 120_000);
