/** A real Chromium for tests of the console: Debian's, installed when the machine has none. */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Browser, chromium } from "playwright-core";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Starts the browser. Fails, saying what to install, where none can be had. */
export async function startChromium(): Promise<Browser> {
  const executablePath = PLACES.find((path) => existsSync(path)) ?? (await installChromium());
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
}

async function installChromium(): Promise<string> {
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    // One of the test files that run side by side installs it; the others wait and find it there.
    const install = "apt-get update && apt-get install -y --no-install-recommends chromium";
    const lock = join(tmpdir(), "tributary-chromium.lock");
    await run("flock", [lock, "sh", "-c", `test -x ${PLACES[0]} || (${install})`], { env });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(
      `the console's tests need Chromium, and apt-get could not install it: ${why}. ` +
        `Install the package "chromium", or put a browser at ${PLACES.join(" or ")}.`,
    );
  }
  return PLACES[0] ?? "";
}

/** Builds the console where the built one is missing or older than its sources. */
export function buildConsole(): void {
  const built = join(root, "dist/console/index.html");
  if (existsSync(built) && statSync(built).mtimeMs > newest(join(root, "src/console"))) return;
  // Of the test files that run side by side one builds; the others wait, and then build in vain.
  const lock = join(tmpdir(), "tributary-console.lock");
  const build = [lock, process.execPath, join(root, "scripts/build-console.js")];
  execFileSync("flock", build, { stdio: "inherit" });
}

function newest(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Math.max(...files.map((file) => statSync(join(file.parentPath, file.name)).mtimeMs));
}
