/** The commands that move records or whole installations, and what they print. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type {
  BackupCommand,
  MigrateCommand,
  OperationCommand,
  ReplayCommand,
} from "../command-operations.ts";
import { StartError } from "../core/start-error.ts";
import { demoEnvPath } from "../demo-env.ts";
import { type ApiClient, openApiClient } from "./api-client.ts";
import { runBackup } from "./backup/backup-command.ts";
import {
  type BackedUpArchives,
  findFaults,
  type Manifest,
  readManifest,
} from "./backup/manifest.ts";
import { runRestore } from "./backup/restore-command.ts";
import type { StartOptions } from "./foundations.ts";

/** What a command prints, and whether it went well. */
export interface OperationResult {
  readonly text: string;
  readonly isOk: boolean;
}

const LOOK_EVERY_MS = 500;

/** Does one. Fails with a StartError. */
export async function runOperation(
  command: OperationCommand,
  options: StartOptions,
): Promise<OperationResult> {
  switch (command.kind) {
    case "replay":
      return await replay(command, options);
    case "migrate":
      return await migrate(command, options);
    default:
      return await runBackupCommand(command, options);
  }
}

async function runBackupCommand(
  { kind, folder, isJson }: BackupCommand,
  options: StartOptions,
): Promise<OperationResult> {
  if (kind === "verify") {
    const manifest = await readManifest(resolve(folder));
    const faults = await findFaults(resolve(folder), manifest);
    return describe(manifest, { verb: "is whole", faults, isJson });
  }
  if (kind === "restore") {
    const manifest = await runRestore(folder, options);
    return describe(manifest, { verb: "is restored", faults: [], isJson });
  }
  const manifest = await runBackup(folder, options);
  // A file that an archive has lost is lost to its backup as well.
  const faults = await findFaults(resolve(folder), manifest);
  return describe(manifest, { verb: "is made", faults, isJson });
}

function describe(
  manifest: Manifest,
  { verb, faults, isJson }: { verb: string; faults: readonly string[]; isJson: boolean },
): OperationResult {
  const { beginTime, tables, streams, orphanLogs, keys, archives } = manifest;
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const messages = streams.reduce((sum, stream) => sum + stream.state.messages, 0);
  const facts = { beginTime, tables: tables.length, rows, streams: streams.length, messages };
  const isOk = faults.length === 0;
  if (isJson) {
    const { files = [], buckets = [], orphanFiles = [] } = archives ?? {};
    const archived = { archiveFiles: files.length, buckets, orphanFiles };
    const body = { ok: isOk, ...facts, keys: keys.length, orphanLogs, ...archived, faults };
    return { text: `${JSON.stringify(body)}\n`, isOk };
  }
  const lines = [
    isOk ? `the backup of ${beginTime} ${verb}` : "the backup is not whole:",
    ...faults.map((fault) => `  ${fault}`),
    `  ${rows} rows of ${tables.length} tables, ${messages} messages of ${streams.length} streams`,
    keys.length > 0
      ? `  with the master key: keep the folder as safe as it`
      : "  without the master key, which the environment gives: keep it elsewhere",
    ...(archives ? describeArchives(archives) : []),
    ...orphanLogs.map((uid) => `  the log ${uid} belongs to no branch; it is kept`),
  ];
  return { text: `${lines.join("\n")}\n`, isOk };
}

function describeArchives({ files, buckets, orphanFiles }: BackedUpArchives): string[] {
  return [
    ...(files.length > 0 ? [`  ${files.length} files of archives`] : []),
    ...buckets.map(
      ({ logUid, bucket, prefix, files, bytes }) =>
        `  the archive of the log ${logUid} stays in the bucket ${bucket}, ` +
        `${files} files of ${bytes} bytes below "${prefix}": keep it as long as the backup`,
    ),
    ...orphanFiles.map((name) => `  the file ${name} belongs to no archive; it is kept`),
  ];
}

interface Made {
  readonly name?: string;
  readonly state?: string;
  readonly error?: string;
}

async function replay(command: ReplayCommand, options: StartOptions): Promise<OperationResult> {
  const { sink, selection, isDry } = command;
  const client = await openClient(command, options);
  const body = { selection, validateOnly: isDry };
  type Answer = { replay: Made & { selected?: string; delivered?: string; refused?: string } };
  const made = await client.call<Answer>("POST", `/v1/${sink}/replays`, body);
  const { replay: end } = await whenEnded(client, command, made, (answer) => answer.replay);
  const counts = `${end.delivered ?? 0} delivered, ${end.refused ?? 0} refused`;
  const text = isDry
    ? `${end.selected ?? 0} records would be delivered`
    : `${end.state}: ${counts}`;
  return print(command, end, text);
}

async function migrate(command: MigrateCommand, options: StartOptions): Promise<OperationResult> {
  const { sink: name, file, id, isDry } = command;
  const text = await readFile(file, "utf8").catch((cause: Error) => {
    throw new StartError(`the new sink cannot be read: ${cause.message}`, { cause });
  });
  const client = await openClient(command, options);
  const body = { sink: parseSink(file, text), sinkId: id, validateOnly: isDry };
  type Answer = { migration: Made & { target?: string; sequence?: string } };
  const made = await client.call<Answer>("POST", `/v1/${name}/migrations`, body);
  const { migration: end } = await whenEnded(client, command, made, (answer) => answer.migration);
  const moved = `${end.state}: ${end.target} goes on at sequence ${end.sequence ?? 0}`;
  return print(command, end, isDry ? `${end.target} can take over` : moved);
}

function parseSink(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new StartError(`${file} holds no JSON: ${(cause as Error).message}`, { cause });
  }
}

function openClient(
  { credentials }: ReplayCommand | MigrateCommand,
  { config }: StartOptions,
): Promise<ApiClient> {
  return openApiClient(credentials ?? demoEnvPath(config.dataDir));
}

/** The answer once the task has ended, or the one there is when nobody is to wait. */
async function whenEnded<T>(
  client: ApiClient,
  { isDry, isDetached }: ReplayCommand | MigrateCommand,
  made: T,
  of: (answer: T) => Made,
): Promise<T> {
  let answer = made;
  while (!isDry && !isDetached && /^(PENDING|RUNNING)$/.test(of(answer).state ?? "")) {
    await delay(LOOK_EVERY_MS);
    answer = await client.call<T>("GET", `/v1/${of(answer).name}`);
  }
  return answer;
}

function print(
  { isJson }: ReplayCommand | MigrateCommand,
  made: Made,
  text: string,
): OperationResult {
  const isOk = !/^(FAILED|CANCELLED)$/.test(made.state ?? "");
  if (isJson) return { text: `${JSON.stringify(made)}\n`, isOk };
  const lines = [made.name, text, made.error].filter((line) => line !== undefined && line !== "");
  return { text: `${lines.join("\n")}\n`, isOk };
}
