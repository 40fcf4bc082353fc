/**
 * Transactions on postgres.js. Its own `begin` sends a ROLLBACK also on a connection that is gone,
 * and dies of that (an exception outside any promise); it also waits for BEGIN before the first query.
 */
import { PgDatabase, PgDialect } from "drizzle-orm/pg-core";
import { PostgresJsSession } from "drizzle-orm/postgres-js";
import type { ReservedSql, Sql } from "postgres";
import type { Queries } from "./client.ts";

/** What postgres.js hands to `onexecute`: its own connection, the same for all queries of one. */
interface Connection {
  onclose: (() => void) | null;
}

const dialect = new PgDialect({ casing: "snake_case" });

/** How a transaction begins. */
export interface TransactionStart {
  /** BEGIN, and what sets the scope. */
  readonly opening: string;
  /** Whether a statement is to stay prepared; see hot-statements.ts. */
  readonly isHot: (text: string) => boolean;
}

/**
 * Runs `work` between `opening` (BEGIN, and what sets the scope, in one text) and COMMIT, or ROLLBACK
 * when it throws. The opening travels with the first query of `work`, so it costs no round trip.
 * A connection that is lost meanwhile fails whatever is asked of it from then on.
 */
export async function runTransaction<T>(
  sql: Sql,
  { opening, isHot }: TransactionStart,
  work: (queries: Queries) => Promise<T>,
): Promise<T> {
  const reserved = await sql.reserve();
  const session = guard(reserved, isHot);
  const opened = session.run(opening);
  // Queries after a failed opening fail as well; it is the opening's error that tells why.
  opened.catch(() => undefined);
  try {
    const result = await work(session.queries);
    await opened;
    if (session.isLost()) throw connectionLost();
    await session.run("COMMIT");
    return result;
  } catch (error) {
    const cause = await opened.then(
      () => error,
      (reason: unknown) => reason,
    );
    // A connection's end follows its last error within the same turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
    if (!session.isLost()) await session.run("ROLLBACK").catch(() => undefined);
    throw cause;
  } finally {
    session.release();
  }
}

function guard(reserved: ReservedSql, isHot: TransactionStart["isHot"]) {
  let isLost = false;
  let isDoubtful = false;
  let connection: Connection | undefined;
  const follow = (executing: Connection) => {
    connection = executing;
    connection.onclose = () => {
      isLost = true;
    };
    return true;
  };
  // What is asked between a connection's last error and its end would wait for ever.
  const doubt = (error: { severity?: string }) => {
    isDoubtful ||= error.severity !== "ERROR";
  };
  const client = {
    unsafe(...[text, parameters = []]: Parameters<ReservedSql["unsafe"]>) {
      if (isLost || isDoubtful) throw connectionLost();
      const prepare = parameters.length > 0 && isHot(text);
      const asked = reserved.unsafe(text, parameters, { prepare });
      asked.catch(doubt);
      return asked;
    },
  };
  return {
    queries: new PgDatabase(
      dialect,
      new PostgresJsSession(client as unknown as Sql, dialect, undefined),
      undefined,
    ) as unknown as Queries,
    isLost: () => isLost,
    run: async (text: string) => {
      await reserved.unsafe(text, [], { onexecute: follow } as object);
    },
    release() {
      if (connection) connection.onclose = null;
      // The pool takes a lost one back by itself.
      if (!isLost) reserved.release();
    },
  };
}

function connectionLost(): Error {
  return Object.assign(new Error("the connection was lost"), { code: "CONNECTION_CLOSED" });
}
