import type { PostgresSink } from "#gen/tributary/management/v1/sink_pb.js";
import { createEgressGuard, type EgressGuard } from "../egress.ts";
import type { OpenSink, RequestOutcome, SinkEnvironment, SinkRequest } from "../sink.ts";
import { retrySink, SinkFault } from "../sink-fault.ts";
import { checkPostgres } from "./check.ts";
import { type Column, columnsOf, settleKey } from "./columns.ts";
import type { Statement } from "./copy-query.ts";
import { claimCursor, createCursorTable } from "./cursor-table.ts";
import { type DatabaseAddress, parseDatabaseUrl } from "./database-url.ts";
import { toSinkFault } from "./fault.ts";
import { createPipeline } from "./pipeline.ts";
import { configsOf, type RoutedRows, routeRows } from "./routes.ts";
import { buildStatements, type SinkStatements } from "./statements.ts";
import { prepareTable } from "./table.ts";
import { acquireTarget, type Target } from "./target.ts";
import { createPurge, createTombstones, tombstonesOf } from "./tombstones.ts";
import { type WritePart, writeRequest } from "./write.ts";

const OPEN_TIMEOUT_MS = 30_000;

/** Where a sink writes, before anything is connected. */
export interface Destination {
  readonly address: DatabaseAddress;
  readonly guard: EgressGuard;
  /** Names the egress rules, so that sinks under different rules share no connection. */
  readonly scope: string;
}

/** The destination of a configuration: its own database, or the embedded one. */
export function destinationOf(config: PostgresSink, env: SinkEnvironment): Destination {
  const isEmbedded = config.databaseUrl === "";
  const url = isEmbedded ? env.embeddedDatabaseUrl : config.databaseUrl;
  if (url === undefined) {
    throw new SinkFault("DATABASE_MISSING", "there is no embedded database: set database_url");
  }
  const address = parseDatabaseUrl(url);
  if (typeof address === "string") throw new SinkFault("URL_INVALID", `database_url ${address}`);
  const policy = {
    isLoopbackAllowed: isEmbedded || env.isLoopbackAllowed,
    egressAllowList: env.egressAllowList,
    dnsServers: env.dnsServers,
  };
  const authority = config.certificateAuthority;
  return {
    address: { ...address, authority },
    guard: createEgressGuard(policy),
    scope: JSON.stringify(policy),
  };
}

/** Opens a sink: the table of cursors and the target table exist and fit, or SinkFault says why not. */
export async function openPostgres(saved: PostgresSink, env: SinkEnvironment): Promise<OpenSink> {
  const config = settleKey(saved, env.schema);
  const [fault] = checkPostgres(config, env.schema);
  if (fault) throw new SinkFault("CONFIG_INVALID", `${fault.field} ${fault.description}`);
  const { address, guard, scope } = destinationOf(config, env);
  const columns = columnsOf(config, env.schema);
  const parts = { schema: env.schema, columns };
  const target = acquireTarget(address, guard, scope);
  const tables = new Map<string, Table>();
  try {
    await target.use(AbortSignal.timeout(OPEN_TIMEOUT_MS), async ({ run }) => {
      await createCursorTable(run);
      for (const each of configsOf(config)) {
        const tombstones = tombstonesOf(each, parts);
        await prepareTable(run, each, columns);
        await createTombstones(run, tombstones);
        const purge = createPurge(tombstones, env.retentionAgeMs);
        const statements = buildStatements(each, parts);
        const replay = buildStatements(each, { ...parts, isReplay: true });
        tables.set(each.table, { statements, replay, purge });
      }
    });
  } catch (error) {
    await target.release();
    throw toSinkFault(error);
  }
  return createSink({ target, config, columns, env, tables });
}

/** The stream has a newer schema than this sink was opened with; delivery opens it anew. */
const STALE: RequestOutcome = {
  kind: "retry",
  scope: "sink",
  reason: "SCHEMA_CHANGED",
  why: "the schema of the stream has just changed",
  afterMs: 1_000,
  burnsAttempt: false,
};

function newestSchema({ rows }: SinkRequest): number {
  return rows.reduce((newest, row) => Math.max(newest, row.schemaVersion), 0);
}

interface Table {
  readonly statements: SinkStatements;
  /** Of rows that are delivered again. */
  readonly replay: SinkStatements;
  readonly purge: () => readonly Statement[];
}

interface SinkParts {
  readonly target: Target;
  readonly config: PostgresSink;
  readonly columns: readonly Column[];
  readonly env: SinkEnvironment;
  readonly tables: ReadonlyMap<string, Table>;
}

function createSink({ target, config, columns, env, tables }: SinkParts): OpenSink {
  const pipeline = createPipeline(target);
  const lane = (partition: number) => `${env.sinkUid}/${partition}`;
  const partOf = ({ table, ...routed }: RoutedRows, isReplay: boolean): WritePart => {
    const { purge, replay, ...live } = tables.get(table)!;
    const statements = isReplay ? replay : live.statements;
    return { statements: { ...statements, after: [...statements.after, ...purge()] }, ...routed };
  };
  const write = async (request: SinkRequest, signal: AbortSignal): Promise<RequestOutcome> => {
    // A field that this sink does not know yet would be left out.
    if (env.schemaVersion !== undefined && newestSchema(request) > env.schemaVersion) return STALE;
    const routed = await routeRows(config, request.rows);
    const parts = routed.map((each) => partOf(each, request.isReplay));
    return await pipeline.run(request, {
      write(slot) {
        const previousId =
          request.after ?? target.lastRequests.get(lane(request.partition)) ?? null;
        const followerId = () => pipeline.followerOf(request);
        const job = { target, parts, columns, sinkUid: env.sinkUid, request, previousId };
        return writeRequest({ ...job, ...slot, followerId }, signal);
      },
      ended({ kind }) {
        if (kind !== "rows" || !request.cursor) return;
        target.lastRequests.set(lane(request.partition), request.id);
      },
    });
  };
  return {
    isPipelined: true,
    async resume(partition, epoch) {
      try {
        const claimed = await target.use(AbortSignal.timeout(OPEN_TIMEOUT_MS), ({ run }) =>
          claimCursor(run, env, { partition, epoch }),
        );
        target.lastRequests.set(lane(partition), claimed.requestId);
        return claimed.kept;
      } catch (error) {
        throw toSinkFault(error);
      }
    },
    async write(request, signal) {
      try {
        return await write(request, signal).catch((error: unknown) => {
          // An idle connection may have ended unnoticed; the cursor makes a repeat harmless.
          if (signal.aborted || toSinkFault(error).reason !== "CONNECTION_FAILED") throw error;
          return write(request, signal);
        });
      } catch (error) {
        if (signal.aborted) return retrySink("TIMEOUT", "Postgres did not answer in time");
        const fault = toSinkFault(error);
        return retrySink(fault.reason, fault.message);
      }
    },
    close: () => target.release(),
  };
}
