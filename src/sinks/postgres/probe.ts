import { type PostgresSink, TableStaging_Store } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkEnvironment, TestStageResult } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import { runStages } from "../stages.ts";
import { columnsOf, settleKey, tableOf } from "./columns.ts";
import { createCursorTable } from "./cursor-table.ts";
import { toSinkFault } from "./fault.ts";
import { destinationOf } from "./open-sink.ts";
import { configsOf } from "./routes.ts";
import { buildStatements, type StatementParts } from "./statements.ts";
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
  const job = { config, parts: { schema: env.schema, columns } };
  let target: ReturnType<typeof acquireTarget> | undefined;
  const use = async <T>(work: (session: Session) => Promise<T>): Promise<T> => {
    if (!target) throw new SinkFault("CONNECTION_FAILED", "not connected");
    return target.use(signal, work);
  };
  try {
    return await runStages({
      ...(config.staging?.store === TableStaging_Store.BUCKET && {
        staging: () => tryBucket(env),
      }),
      resolve: async () => {
        const { address, guard, scope } = destinationOf(config, env);
        await guard.resolve(address.host);
        target = acquireTarget(address, guard, scope);
        return "the address is allowed";
      },
      connect: () => use(async ({ run }) => serverVersion(run)).catch(ignoreAuthentication),
      authenticate: () => use(async ({ run }) => serverVersion(run)).catch(rethrow),
      describe: () => {
        const made = prepare ? "was made" : "is missing and will be made";
        return use((session) =>
          prepare
            ? describe(session.run, job, made)
            : undone(session.run, () => describe(session.run, job, made)),
        ).catch(rethrow);
      },
      write: () =>
        use((session) =>
          undone(session.run, async () => {
            if (!prepare) await describe(session.run, job, "");
            return await checkRights(session, job);
          }),
        ).catch(rethrow),
    });
  } finally {
    await target?.release();
  }
}

async function tryBucket({ tryStagingBucket }: SinkEnvironment): Promise<string> {
  if (!tryStagingBucket) {
    const why =
      "this server has no bucket for staged rows: leave out `store`, or have TRIBUTARY_STAGING_BUCKET set";
    throw new SinkFault("STAGING_MISSING", why);
  }
  await tryStagingBucket();
  return "an object was stored, read and removed in the bucket for staged rows";
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

interface ProbeJob {
  readonly config: PostgresSink;
  readonly parts: StatementParts;
}

/** Makes what is missing, and says of each table whether it was; throws TABLE_MISMATCH. */
async function describe(run: Run, { config, parts }: ProbeJob, made: string): Promise<string> {
  await createCursorTable(run);
  const done: string[] = [];
  for (const each of configsOf(config)) {
    const prepared = await prepareTable(run, each, parts.columns);
    await createTombstones(run, tombstonesOf(each, parts));
    done.push(`table ${tableOf(each)} ${prepared === "created" ? made : "fits"}`);
  }
  return done.join("; ");
}

/** Does it and takes it back, so that a test leaves no trace. */
async function undone(run: Run, work: () => Promise<string>): Promise<string> {
  await run("BEGIN");
  try {
    return await work();
  } finally {
    await run("ROLLBACK");
    // Locks of the session outlive a transaction that failed.
    await run("SELECT pg_advisory_unlock_all()");
  }
}

/** A delivery without rows: needs the same rights and key. */
async function checkRights({ copy }: Session, { config, parts }: ProbeJob): Promise<string> {
  const feed = () => Promise.resolve();
  const all = configsOf(config).map((each) => buildStatements(each, parts));
  await copy({ parts: all.map((statements) => ({ ...statements, feed })) });
  return "rows can be written";
}
