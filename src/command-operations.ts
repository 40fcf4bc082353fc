/** The words of commands that move records or whole installations: backup, restore, verify, replay, migrate. */
import { parseArgs } from "node:util";

/** A command that works on a backup's folder. */
export interface BackupCommand {
  readonly kind: "backup" | "restore" | "verify";
  readonly folder: string;
  readonly isJson: boolean;
}

/** Where a command finds the server and who it is there. */
export interface CallerWords {
  /** Lines as in demo.env; that of the data directory when left out. */
  readonly credentials: string | undefined;
  readonly isJson: boolean;
  /** Whether it ends at once, and not with the task. */
  readonly isDetached: boolean;
  /** Whether it only says what would be done. */
  readonly isDry: boolean;
}

/** `tributary replay`. */
export interface ReplayCommand extends CallerWords {
  readonly kind: "replay";
  readonly sink: string;
  /** A ReplaySelection in the JSON form. */
  readonly selection: Readonly<Record<string, unknown>>;
}

/** `tributary migrate`. */
export interface MigrateCommand extends CallerWords {
  readonly kind: "migrate";
  readonly sink: string;
  /** File with the new sink in the JSON form. */
  readonly file: string;
  readonly id: string;
}

/** Any of them. */
export type OperationCommand = BackupCommand | ReplayCommand | MigrateCommand;

/** What `--help` says of each. */
export const OPERATION_USAGE: Readonly<Record<OperationCommand["kind"], string>> = {
  backup: `tributary backup <folder> [--json]

  Writes control database, logs, cursors and the master key of the data directory into an empty
  folder, as of one point, also while servers run. Keep the folder as safe as the key in it.

Example
  tributary backup /var/backups/tributary-2026-03-01
`,
  restore: `tributary restore <folder> [--json]

  Checks a backup and restores it into an empty data directory (TRIBUTARY_DATA_DIR), or into the
  empty servers of NATS_URL and DATABASE_URL. Nothing is written over.

Example
  TRIBUTARY_DATA_DIR=/var/lib/tributary tributary restore /var/backups/tributary-2026-03-01
`,
  verify: `tributary verify <folder> [--json]

  Checks that a backup is whole: every file with its hash, every row, the master key. Lists logs that
  belong to no branch. Ends with 1 when something is wrong.

Example
  tributary verify /var/backups/tributary-2026-03-01
`,
  replay: `tributary replay <sink> [--ids a,b] [--first 1] [--last 9] [--start TIME] [--end TIME] [--filter CEL]

  Delivers stored records to a sink again: by ids, by sequences, by the time they were stored, or all;
  of these what the filter (CEL) lets through. Waits for the end and ends with 1 when it fails.

  --dry-run      counts only
  --no-wait      ends once the task is made
  --credentials  file with TRIBUTARY_URL, CLIENT_ID and CLIENT_SECRET (<data dir>/demo.env)
  --json         prints the answer as JSON

Examples
  tributary replay projects/demo/streams/sensors/sinks/table --start 2026-03-01T00:00:00Z --dry-run
  tributary replay projects/demo/streams/sensors/sinks/table --filter 'record.sensor_id == "a7"'
`,
  migrate: `tributary migrate <sink> --to sink.json [--id new-sink]

  Moves a stream from a sink to a new one, whose definition is in a file (JSON, as CreateSink takes
  it), at one sequence. Waits for the report and ends with 1 when it fails.

  --dry-run, --no-wait, --credentials, --json   as of replay

Example
  tributary migrate projects/demo/streams/sensors/sinks/table --to new.json --id table-2
`,
};

const TEXT = { type: "string" } as const;
const FLAG = { type: "boolean" } as const;

/** Whether a word names one of these commands. */
export function isOperation(word: string | undefined): word is OperationCommand["kind"] {
  return word !== undefined && Object.hasOwn(OPERATION_USAGE, word);
}

/** Reads the words after the program's name. Throws an Error that says what is wrong with them. */
export function parseOperation(
  words: readonly string[],
): OperationCommand | { readonly kind: "help"; readonly text: string } {
  const [name, ...rest] = words;
  if (!isOperation(name)) throw new Error(`unknown command: ${words.join(" ")}`);
  const { values, positionals } = parseArgs({
    args: rest,
    allowPositionals: true,
    options: {
      help: { ...FLAG, short: "h" },
      json: FLAG,
      ...(name === "replay" && { ids: TEXT, first: TEXT, last: TEXT }),
      ...(name === "replay" && { start: TEXT, end: TEXT, filter: TEXT }),
      ...(name === "migrate" && { to: TEXT, id: TEXT }),
      ...((name === "replay" || name === "migrate") && {
        "dry-run": FLAG,
        "no-wait": FLAG,
        credentials: TEXT,
      }),
    },
  });
  const given = values as Record<string, string | boolean | undefined>;
  if (given.help) return { kind: "help", text: OPERATION_USAGE[name] };
  const [target = "", ...more] = positionals;
  const what = name === "replay" || name === "migrate" ? "sink" : "folder";
  if (target === "" || more.length > 0) throw new Error(`tributary ${name} takes one ${what}`);
  if (name === "backup" || name === "restore" || name === "verify") {
    return { kind: name, folder: target, isJson: given.json === true };
  }
  const caller = {
    sink: target,
    credentials: textOf(given.credentials),
    isJson: given.json === true,
    isDetached: given["no-wait"] === true,
    isDry: given["dry-run"] === true,
  };
  if (name === "replay") return { kind: name, ...caller, selection: selectionOf(given) };
  const file = textOf(given.to);
  if (!file) throw new Error("tributary migrate needs --to and the file with the new sink");
  return { kind: name, ...caller, file, id: textOf(given.id) ?? "" };
}

function textOf(value: string | boolean | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function selectionOf(given: Record<string, string | boolean | undefined>) {
  const { ids, first, last, start, end, filter } = given;
  const kinds = [ids, first ?? last, start ?? end].filter((each) => each !== undefined);
  if (kinds.length > 1)
    throw new Error("choose by --ids, by --first and --last, or by --start and --end");
  const condition = filter === undefined ? {} : { filter: { cel: filter } };
  if (ids !== undefined) return { ids: { recordIds: String(ids).split(",") }, ...condition };
  if (start !== undefined || end !== undefined) return { times: { start, end }, ...condition };
  return { sequences: { first, last }, ...condition };
}
