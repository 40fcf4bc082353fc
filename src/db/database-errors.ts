/** The one place that turns what Postgres and postgres.js throw into our errors. */
import { ConnectError } from "@connectrpc/connect";
import { fail } from "../core/errors.ts";

/** SQLSTATE classes and codes, and codes of Node and postgres.js, that a later try may not meet again. */
const passing = [
  /^08/, // connection exceptions
  /^53/, // too many connections, out of memory, disk full
  /^57/, // shut down, starting up, statement timeout
  /^58/, // the server's own I/O
  /^40/, // serialization failure, deadlock
  /^55P03$/, // lock timeout
  /^25006$/, // read-only: a standby, after a failover
  /^25P0[34]$/, // transaction timeouts
  /^E[A-Z]+$/, // ECONNREFUSED, EPIPE, ENOTFOUND …
  /^CONNECT(ION)?_/,
];

/** The code in an error or in what caused it (drizzle wraps); undefined when there is none. */
export function databaseCodeOf(error: unknown): string | undefined {
  let current: unknown = error;
  for (let depth = 0; current instanceof Error && depth < 5; depth++) {
    if ("code" in current && typeof current.code === "string") return current.code;
    current = current.cause ?? firstOf(current);
  }
  return undefined;
}

/** Name of the unique constraint that an error says was violated; undefined for other errors. */
export function uniqueViolationOf(error: unknown): string | undefined {
  let current: unknown = error;
  for (let depth = 0; current instanceof Error && depth < 5; depth++) {
    if ("code" in current && current.code === "23505") {
      return "constraint_name" in current ? String(current.constraint_name) : "";
    }
    current = current.cause;
  }
  return undefined;
}

/**
 * Our error for one from the database: ALREADY_EXISTS for a unique violation, DATABASE_UNAVAILABLE
 * for what passes. Our own errors and faults in our SQL come back as they are.
 */
export function translateDatabaseError(error: unknown): unknown {
  if (error instanceof ConnectError) return error;
  if (uniqueViolationOf(error) !== undefined) {
    return fail("ALREADY_EXISTS", "the name is taken", { cause: error });
  }
  const code = databaseCodeOf(error);
  if (code !== undefined && passing.some((pattern) => pattern.test(code))) {
    return databaseUnavailable(error);
  }
  return error;
}

/** DATABASE_UNAVAILABLE: try again in a second. */
export function databaseUnavailable(cause: unknown): ConnectError {
  return fail("DATABASE_UNAVAILABLE", "the database of definitions does not answer; try again", {
    retryAfterMs: 1_000,
    cause,
  });
}

/** An AggregateError of net.connect (several addresses) names the fault in its parts. */
function firstOf(error: Error): unknown {
  return error instanceof AggregateError ? error.errors[0] : undefined;
}
