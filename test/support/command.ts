/** The command line of the program, as a user runs it. */
import { execFile } from "node:child_process";
import { join } from "node:path";

const MAIN = join(import.meta.dirname, "../../src/main.ts");

/** How a command ended. */
export interface CommandEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `tributary …` on a data directory. */
export function runCommand(
  words: readonly string[],
  dataDir: string,
  env: Record<string, string> = {},
): Promise<CommandEnd> {
  return new Promise((resolve) => {
    const options = {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, TRIBUTARY_DATA_DIR: dataDir, ...env },
      timeout: 120_000,
    };
    execFile(process.execPath, [MAIN, ...words], options, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}
