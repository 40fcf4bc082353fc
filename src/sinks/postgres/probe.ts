import type { PostgresSink } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkEnvironment, TestStageResult } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import { runStages } from "../stages.ts";
import { columnsOf, settleKey, tableOf } from "./columns.ts";
import { createCursorTable } from "./cursor-table.ts";
import { toSinkFault } from "./fault.ts";
import { destinationOf } from "./open-sink.ts";
import { configsOf } from "./routes.ts";
import { buildStatements, type SinkStatements } from "./statements.ts";
import { prepareTable } from "./table.ts";
import { acquireTarget, type Run, type Session } from "./target.ts";
import { createTombstones, tombstonesOf } from "./tombstones.ts";

/** Tries a database: address, connection and password, table, and the right to write to it. */
export async function testPostgres(
  saved: PostgresSink,
  env: SinkEnvironment,
  { prepare, signal }: { readonly prepare: boolean; readonly signal: AbortSignal },
): Promise<readonly TestStageResult[]> {
  const config = settleKey(saved, env.schema);
  const columns = columnsOf(config, env.schema);
  const parts = { schema: env.schema, columns };
  let target: ReturnType<typeof acquireTarget> | undefined;
  const use = async <T>(work: (session: Session) => Promise<T>): Promise<T> => {
    if (!target) throw new SinkFault("CONNECTION_FAILED", "not connected");
    return target.use(signal, work);
  };
  try {
    return await runStages({
      resolve: async () => {
        const { address, guard, scope } = destinationOf(config, env);
        await guard.resolve(address.host);
        target = acquireTarget(address, guard, scope);
        return "the address is allowed";
      },
      connect: () => use(async ({ run }) => serverVersion(run)).catch(ignoreAuthentication),
      authenticate: () => use(async ({ run }) => serverVersion(run)).catch(rethrow),
      describe: () =>
        use(async ({ run }) => {
          if (prepare) await createCursorTable(run);
          const done: string[] = [];
          for (const each of configsOf(config)) {
            const made = await prepareTable(run, each, { columns, isCreateAllowed: prepare });
            if (prepare) await createTombstones(run, tombstonesOf(each, parts));
            done.push(`table ${tableOf(each)} ${made === "created" ? "was created" : "fits"}`);
          }
          return done.join("; ");
        }).catch(rethrow),
      write: () => {
        const all = configsOf(config).map((each) => buildStatements(each, parts));
        return use((session) => checkRights(session, all)).catch(rethrow);
      },
    });
  } finally {
    await target?.release();
  }
}

async function serverVersion(run: Run): Promise<string> {
  const [row] = await run("SELECT current_setting('server_version') AS version");
  return `Postgres ${String(row?.version)}`;
}

/** A refused password shows that the connection itself works. */
function ignoreAuthentication(error: unknown): string {
  const fault = toSinkFault(error);
  if (fault.reason === "AUTHENTICATION_FAILED" || fault.reason === "DATABASE_MISSING") {
    return "the server answers";
  }
  throw fault;
}

function rethrow(error: unknown): never {
  throw toSinkFault(error);
}

/** A delivery without rows, rolled back: needs the same rights and key. */
async function checkRights(
  { run, copy }: Session,
  all: readonly SinkStatements[],
): Promise<string> {
  await run("BEGIN");
  try {
    const feed = () => Promise.resolve();
    await copy({ parts: all.map((statements) => ({ ...statements, feed })) });
  } finally {
    await run("ROLLBACK");
  }
  return "rows can be written";
}
