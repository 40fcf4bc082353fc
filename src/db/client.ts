/** The connection to Postgres that everything but the sinks shares. */
import { connect, type Socket } from "node:net";
import type { PgDatabase } from "drizzle-orm/pg-core";
import { drizzle, type PostgresJsQueryResultHKT } from "drizzle-orm/postgres-js";
import postgres, { type Sql } from "postgres";
import { currentAuthor } from "../core/author.ts";
import { notFound } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { projectOf } from "../core/names.ts";
import { StartError } from "../core/start-error.ts";
import { databaseCodeOf, databaseUnavailable, translateDatabaseError } from "./database-errors.ts";
import { createHotStatements } from "./hot-statements.ts";
import { passLostTypes } from "./lost-types.ts";
import type * as schema from "./schema.ts";
import { runTransaction } from "./transaction.ts";

/** What stores take: the database, or a transaction on it. */
export type Queries = PgDatabase<PostgresJsQueryResultHKT, typeof schema>;

/** An open database. What it runs has a scope: the rows of one project, or of all. */
export interface Database {
  /**
   * One transaction on the rows of one project: committed when `work` resolves, else rolled back.
   * `name` is the project's name or any name below it; one that lies in no project fails with
   * RESOURCE_NOT_FOUND. Fails with DATABASE_UNAVAILABLE, at the latest after `waitMs`.
   */
  inProject<T>(name: string, work: (queries: Queries) => Promise<T>): Promise<T>;
  /**
   * The same on the rows of all projects and of the installation: for what is by nature above
   * projects, such as sign-in, the snapshot, upkeep and the operator.
   */
  acrossProjects<T>(
    work: (queries: Queries) => Promise<T>,
    options?: TransactionOptions,
  ): Promise<T>;
  /** Bare postgres.js, as the user that owns the tables: for migrations and probes. */
  readonly sql: Sql;
  /** Opens a client of its own with the same settings, such as for LISTEN. */
  openClient(max: number): Sql;
  /** Ends all connections; queries under way get 2 s. */
  close(): Promise<void>;
}

/** How a transaction reads. */
export interface TransactionOptions {
  /** It only reads, and all its queries see the same moment. */
  readonly isSnapshot?: boolean;
}

/** What `openDatabase` takes. */
export interface DatabaseOptions {
  /** `postgres://…`; `?host=/folder` names a Unix socket. */
  readonly url: string;
  readonly logger: Logger;
  /** Connections at most; 10 by default. */
  readonly max?: number;
  /** How long a caller waits at most for its queries; 15 s by default. */
  readonly waitMs?: number;
}

const connectTimeoutMs = 5_000;
const statementTimeoutMs = 10_000;
const closeMs = 2_000;
/** Longest wait for an answer at start. */
const checkMs = 15_000;

/** Opens a pool. Nothing connects before the first query. */
export function openDatabase({
  url,
  logger,
  max = 10,
  waitMs = 15_000,
}: DatabaseOptions): Database {
  const openClient = (count: number) =>
    postgres(url, {
      max: count,
      socket: openSocket,
      connect_timeout: connectTimeoutMs / 1_000,
      // A server that comes back is noticed within a second, not after postgres.js' 20 s.
      backoff: (retries: number) => Math.min(0.05 * 2 ** retries, 1),
      connection: { application_name: "tributary", statement_timeout: statementTimeoutMs },
      onnotice: (notice) => logger.debug("notice of Postgres", { text: notice.message }),
    } as postgres.Options<Record<string, never>>);
  const endPassing = passLostTypes();
  const sql = openClient(max);
  // Tells the client to leave times and JSON to the columns of schema.ts.
  drizzle(sql);
  const running = new Set<Promise<unknown>>();
  const isHot = createHotStatements();
  let isClosed = false;
  const run = async <T>(opening: string, work: (queries: Queries) => Promise<T>): Promise<T> => {
    if (isClosed) throw databaseUnavailable(new Error("the database was closed"));
    const transaction = runTransaction(sql, { opening, isHot }, work);
    running.add(transaction);
    const forget = () => running.delete(transaction);
    transaction.then(forget, forget);
    return await waitFor(transaction, waitMs);
  };
  return {
    async inProject(name, work) {
      const project = projectOf(name);
      if (!project) throw notFound(name);
      return await run(`BEGIN; ${enter("project", project)}`, work);
    },
    acrossProjects: (work, { isSnapshot = false } = {}) => {
      const begin = isSnapshot ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN";
      return run(`${begin}; ${enter("installation", "")}`, work);
    },
    sql,
    openClient,
    async close() {
      if (isClosed) return await sql.end({ timeout: closeMs / 1_000 });
      isClosed = true;
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise((resolve) => {
        timer = setTimeout(resolve, closeMs);
      });
      await Promise.race([Promise.allSettled(running), late]);
      clearTimeout(timer);
      await sql.end({ timeout: closeMs / 1_000 });
      endPassing();
    },
  };
}

/**
 * Row-level security compares every row with this (migrations/0006_isolation.sql). The name of a
 * project holds nothing to escape.
 */
function enter(scope: "project" | "installation", project: string): string {
  const author = currentAuthor().replaceAll("'", "''");
  const named = author && `, set_config('tributary.author', '${author}', true)`;
  return `SELECT tributary.enter('${scope}', '${project}')${named}`;
}

async function waitFor<T>(work: Promise<T>, waitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(databaseUnavailable(new Error(`no answer within ${waitMs} ms`)));
    }, waitMs);
  });
  try {
    return await Promise.race([work, late]);
  } catch (error) {
    throw translateDatabaseError(error);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * postgres.js leaves Nagle's algorithm on, which costs 40 to 90 ms where several writes follow. The
 * socket goes to it while it still connects, so that it sees a failure and tries again; what it writes
 * meanwhile waits in the socket.
 */
function openSocket(options: { host: string[]; port: number[]; path?: string | false }): Socket {
  const host = options.host[0] ?? "127.0.0.1";
  const port = options.port[0] ?? 5432;
  const socket = options.path ? connect(options.path) : connect({ host, port, noDelay: true });
  // TLS takes the server's name from here.
  return Object.assign(socket, { host, port });
}

/**
 * Asks the database for one answer. Fails with DATABASE_UNAVAILABLE when there is none, and with a
 * StartError when it refuses us: user, password, or name of the database.
 */
export async function checkDatabase(database: Database): Promise<void> {
  try {
    await waitFor(database.sql`SELECT 1`, checkMs);
  } catch (error) {
    const code = databaseCodeOf(error);
    if (code === undefined || !/^(28|3D|42501)/.test(code)) throw error;
    const { message } = innermost(error as Error);
    throw new StartError(`Postgres refuses DATABASE_URL: ${message}`, { cause: error });
  }
}

function innermost(error: Error): Error {
  return error.cause instanceof Error ? innermost(error.cause) : error;
}
