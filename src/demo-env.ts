/** `<data dir>/demo.env`: what a newcomer's shell needs for the first push. */
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Lines of the file. */
export interface DemoEnv {
  readonly TRIBUTARY_URL: string;
  readonly PROJECT: string;
  readonly STREAM: string;
  readonly CLIENT_ID: string;
  readonly CLIENT_SECRET: string;
  /** Where the demo sink's table is; left out without an embedded Postgres. */
  readonly SINK_DATABASE_URL?: string;
}

/** Path of the file. */
export function demoEnvPath(dataDir: string): string {
  return join(dataDir, "demo.env");
}

/** The secret that an earlier start left in the file; undefined when it is gone. */
export function readDemoSecret(dataDir: string): string | undefined {
  try {
    return /^CLIENT_SECRET=(\S+)$/m.exec(readFileSync(demoEnvPath(dataDir), "utf8"))?.[1];
  } catch {
    return undefined;
  }
}

/** Writes the file at once and readable by its owner alone. */
export function writeDemoEnv(dataDir: string, env: DemoEnv): void {
  const file = demoEnvPath(dataDir);
  // Without embedded servers nothing else has made the folder.
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const lines = Object.entries(env).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(`${file}.new`, lines.join(""), { mode: 0o600, flush: true });
  chmodSync(`${file}.new`, 0o600);
  renameSync(`${file}.new`, file);
}
