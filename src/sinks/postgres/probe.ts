import type { PostgresSink } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkEnvironment, TestStageResult } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import { runStages } from "../stages.ts";
import { columnsOf, settleKey, tableOf } from "./columns.ts";
import { createCursorTable } from "./cursor-table.ts";
import { toSinkFault } from "./fault.ts";
import { destinationOf } from "./open-sink.ts";
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
  const tombstones = tombstonesOf(config, { schema: env.schema, columns });
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
          const done = await prepareTable(run, config, { columns, isCreateAllowed: prepare });
          if (prepare) {
            await createCursorTable(run);
            await createTombstones(run, tombstones);
          }
          return `table ${tableOf(config)} ${done === "created" ? "was created" : "fits"}`;
        }).catch(rethrow),
      write: () => {
        const statements = buildStatements(config, { columns, schema: env.schema });
        return use((session) => checkRights(session, statements)).catch(rethrow);
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
async function checkRights({ run, copy }: Session, statements: SinkStatements): Promise<string> {
  await run("BEGIN");
  try {
    await copy({
      before: statements.before,
      copy: statements.copy,
      feed: () => Promise.resolve(),
      after: () => statements.after,
    });
  } finally {
    await run("ROLLBACK");
  }
  return "rows can be written";
}
