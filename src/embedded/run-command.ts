import { spawn } from "node:child_process";

/** Limits of one run of a program that installs something. */
export interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv | undefined;
  /** The whole run may take this long, in milliseconds. */
  timeoutMs: number;
  /** Once started, a line that matches must come within `withinMs`, or the run is ended. */
  firstAnswer?: { pattern: RegExp; withinMs: number };
  onLine?: (line: string) => void;
}

const keptBytes = 64 * 1024;

/**
 * Runs a program and gives back all that it wrote (the last 64 KiB). Throws with the end of its
 * output when it fails, is missing, or does not answer in time; it is dead by then.
 * The error of a program that could not be started is the `cause`.
 */
export function runCommand(
  command: string,
  args: readonly string[],
  options: RunOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    let reason: string | undefined;
    const child = spawn(command, [...args], {
      stdio: ["ignore", "pipe", "pipe"],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env }),
    });
    const endBecause = (text: string) => {
      reason ??= text;
      child.kill("SIGKILL");
    };
    const whole = setTimeout(
      () => endBecause(`not done after ${options.timeoutMs / 1000} s`),
      options.timeoutMs,
    );
    const { firstAnswer, onLine } = options;
    const first = firstAnswer
      ? setTimeout(
          () => endBecause(`no answer within ${firstAnswer.withinMs / 1000} s`),
          firstAnswer.withinMs,
        )
      : undefined;
    const take = (chunk: Buffer) => {
      const text = chunk.toString();
      output = (output + text).slice(-keptBytes);
      if (firstAnswer?.pattern.test(output)) clearTimeout(first);
      for (const line of text.split(/[\r\n]+/)) if (line.trim()) onLine?.(line.trim());
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    const settle = (failure: string | undefined, cause?: Error) => {
      clearTimeout(whole);
      clearTimeout(first);
      if (failure === undefined) resolve(output);
      else reject(new Error(failure, { cause }));
    };
    child.once("error", (error) => settle(error.message, error));
    child.once("close", (code) =>
      settle(
        code === 0 && !reason ? undefined : `${reason ?? `exit ${code}`}: ${lastLines(output)}`,
      ),
    );
  });
}

function lastLines(output: string): string {
  const lines = output.split(/[\r\n]+/).filter((line) => line.trim());
  return lines.slice(-3).join(" | ").slice(-500) || "no output";
}
