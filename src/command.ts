/** The words of the command line. */
import { parseArgs } from "node:util";
import { isOperation, type OperationCommand, parseOperation } from "./command-operations.ts";

/** What `tributary --help` prints. */
export const USAGE = `tributary serve [--roles api,push,deliver] [--port 8080] [--workers 1]

  Serves everything on one port, with an embedded nats-server and Postgres unless NATS_URL and
  DATABASE_URL name others. Settings are variables of the environment: see the README.

  --roles   parts that this node runs (TRIBUTARY_ROLES)
  --port    port to listen on, 0 for a free one (PORT)
  --workers processes that share the port (TRIBUTARY_WORKERS)

tributary keys list | rotate

  Lists the keys that sign access tokens, or makes a new one: it is published at once, signs from an
  hour on, and the old ones check tokens for another hour. Works while servers run.

tributary keys rotate-master

  Puts secrets at rest under a new master key. Works while servers run.

tributary audit verify

  Checks that the audit log is as the servers wrote it; ends with 1 when it is not.

tributary backup | restore | verify <folder>

  Writes, restores and checks backups of a whole installation.

tributary replay <sink>, tributary migrate <sink> --to sink.json

  Deliver stored records again, and move a stream to another sink. Each with --help.

Examples
  tributary serve
  PORT=0 TRIBUTARY_DATA_DIR=/var/lib/tributary tributary serve
  NATS_URL=nats://nats:4222 DATABASE_URL=postgres://db/tributary tributary serve --roles deliver
  tributary keys rotate
`;

/** What `tributary keys` does. */
export type KeysAction = "list" | "rotate" | "rotate-master";

/** A command that was understood, or what is wrong with it. */
export type Command =
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "fault"; readonly message: string }
  | { readonly kind: "keys"; readonly action: KeysAction }
  | { readonly kind: "audit" }
  | OperationCommand
  | {
      readonly kind: "serve";
      readonly environment: Readonly<Record<string, string>>;
      /** Whether another process started this one to share its port; only that one passes the word. */
      readonly isWorker: boolean;
    };

/** Reads the words after the program's name. Options become the variables that they stand for. */
export function parseCommand(words: readonly string[]): Command {
  try {
    if (isOperation(words[0])) return parseOperation(words);
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h" },
        roles: { type: "string" },
        port: { type: "string" },
        workers: { type: "string" },
        "as-worker": { type: "boolean", default: false },
      },
    });
    if (values.help || positionals[0] === "help") return { kind: "help", text: USAGE };
    const [name = "serve", ...rest] = positionals;
    const [action = ""] = rest;
    if (name === "keys" && rest.length === 1 && isKeysAction(action)) {
      return { kind: "keys", action };
    }
    if (name === "audit" && rest.length === 1 && action === "verify") return { kind: "audit" };
    if (name !== "serve" || rest.length > 0) {
      return { kind: "fault", message: `unknown command: ${positionals.join(" ")}` };
    }
    const environment: Record<string, string> = {};
    if (values.roles !== undefined) environment.TRIBUTARY_ROLES = values.roles;
    if (values.port !== undefined) environment.PORT = values.port;
    if (values.workers !== undefined) environment.TRIBUTARY_WORKERS = values.workers;
    return { kind: "serve", environment, isWorker: values["as-worker"] };
  } catch (error) {
    return { kind: "fault", message: (error as Error).message };
  }
}

function isKeysAction(word: string): word is KeysAction {
  return ["list", "rotate", "rotate-master"].includes(word);
}
