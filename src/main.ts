#!/usr/bin/env node
/** The command line: reads the configuration, starts, waits for a signal, stops. */
import { join } from "node:path";
import type { StartOptions } from "./app/foundations.ts";
import { formatBanner } from "./banner.ts";
import { type Command, parseCommand, USAGE } from "./command.ts";
import { ConfigError, loadConfig, readEnvironment } from "./config.ts";
import { createLogger } from "./core/logger.ts";
import { StartError } from "./core/start-error.ts";
import { startWithMemoryFlags } from "./memory-flags.ts";
import { speedUpLoading } from "./module-loading.ts";
import { releaseStartMemory } from "./start-memory.ts";
import { meetFirstProcess } from "./worker-process.ts";

/** A server that has not drained by then is ended all the same. */
const STOP_MS_MAX = 10_000;

const print = (text: string) => process.stdout.write(text);
const printError = (text: string) => process.stderr.write(text);

async function main(words: readonly string[]): Promise<void> {
  const command = parseCommand(words);
  if (command.kind === "help") {
    print(command.text);
    return;
  }
  if (command.kind === "fault") {
    printError(`${command.message}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  if (command.kind === "serve") {
    const { execPath, execArgv, argv } = process;
    startWithMemoryFlags({ execPath, execArgv, argv, environment: readEnvironment() });
  }
  const startedAt = performance.now();
  const first = command.kind === "serve" && command.isWorker ? await meetFirstProcess() : undefined;
  const config = loadConfig({
    ...(command.kind === "serve" && command.environment),
    ...(first && { PORT: String(first.task.port) }),
  });
  const logger = createLogger({
    level: config.LOG_LEVEL,
    write: (line) => printError(`${line}\n`),
  });
  speedUpLoading(join(config.cacheDir, "modules"));
  const onProgress = (text: string) => print(`  ${text}\n`);
  if (command.kind !== "serve") {
    await runCommand(command, { config, logger, onProgress: () => undefined });
    return;
  }
  const { startApp } = await import("./app.ts");
  if (first) {
    const { task, ready } = first;
    const worker = await startApp({ config, logger, onProgress: () => undefined, task });
    releaseStartMemory();
    ready(stopAsWorker(worker.close));
    return;
  }
  const app = await startApp({ config, logger, onProgress, command: process.argv.slice(1) });
  stopOnSignal(app.close);
  releaseStartMemory();
  print(formatBanner({ ...app.facts, seconds: (performance.now() - startedAt) / 1000 }));
}

/** Commands that do one thing and end. */
async function runCommand(
  command: Exclude<Command, { kind: "help" | "fault" | "serve" }>,
  options: StartOptions,
): Promise<void> {
  if (command.kind === "audit") {
    const { runAuditCommand } = await import("./app/audit-command.ts");
    const { text, isSound } = await runAuditCommand(options);
    print(text);
    if (!isSound) process.exitCode = 1;
  } else if (command.kind !== "keys") {
    const { runOperation } = await import("./app/operations.ts");
    const { text, isOk } = await runOperation(command, options);
    print(text);
    if (!isOk) process.exitCode = 1;
  } else if (command.action === "rotate-master") {
    const { runMasterKeyCommand } = await import("./app/master-key-command.ts");
    print(await runMasterKeyCommand(options));
  } else {
    const { runKeysCommand } = await import("./app/keys-command.ts");
    print(await runKeysCommand(command.action, options));
  }
}

/**
 * A worker drains when the first process ends or closes the channel, and on SIGTERM. Ctrl-C in a terminal
 * reaches all processes; the first one passes it on.
 */
function stopAsWorker(close: () => Promise<void>): () => void {
  const stop = createStop(close);
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", stop);
  return stop;
}

/** The first signal drains and ends with 0; a second one, or ten seconds, ends at once. */
function stopOnSignal(close: () => Promise<void>): void {
  const begin = createStop(close);
  let isStopping = false;
  const stop = () => {
    if (isStopping) process.exit(1);
    isStopping = true;
    begin();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

/** Drains and ends the process, once, in ten seconds at most. */
function createStop(close: () => Promise<void>): () => void {
  let isStopping = false;
  return () => {
    if (isStopping) return;
    isStopping = true;
    setTimeout(() => process.exit(1), STOP_MS_MAX).unref();
    close().then(
      () => process.exit(0),
      (error: unknown) => {
        printError(`${(error as Error).stack}\n`);
        process.exit(1);
      },
    );
  };
}

/** One line for what a person can mend, a stack for what only a programmer can. */
function describeFailure(error: unknown): string {
  if (error instanceof ConfigError || error instanceof StartError) return error.message;
  const { code, syscall, message, stack } = error as NodeJS.ErrnoException;
  const isOfSystem = typeof code === "string" && typeof syscall === "string";
  return (isOfSystem ? message : stack) ?? String(error);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  printError(`${describeFailure(error)}\n`);
  process.exit(error instanceof ConfigError ? 2 : 1);
});
