import { SinkFault } from "../sink-fault.ts";

/** Fields of a Postgres error message that are used; `code` is the SQLSTATE. */
interface ErrorLike {
  readonly code?: unknown;
  readonly message?: unknown;
}

/** SQLSTATE of an error; undefined when Postgres did not send it. */
export function sqlStateOf(error: unknown): string | undefined {
  const code = (error as ErrorLike | undefined)?.code;
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && !code.startsWith("E")
    ? code
    : undefined;
}

/**
 * Whether a row is at fault: data exceptions (22), constraints (23), exceptions that triggers raise
 * (P0001), and rows too large for the table or an index (54000).
 */
export function isDataError(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state !== undefined && (/^2[23]/.test(state) || state === "P0001" || state === "54000");
}

/** By SQLSTATE, or its first two characters for a class. */
const REASONS: Readonly<Record<string, string>> = {
  "42501": "PERMISSION_DENIED",
  "28": "AUTHENTICATION_FAILED",
  "3D000": "DATABASE_MISSING",
  "42": "TABLE_MISMATCH",
  "3F000": "TABLE_MISMATCH",
  "25006": "READ_ONLY",
  "53": "OUT_OF_RESOURCES",
  "40": "CONFLICT",
  "57014": "TIMEOUT",
};

/** Any error of the driver as a failure of scope `sink`, without parameters or row contents. */
export function toSinkFault(error: unknown): SinkFault {
  if (error instanceof SinkFault) return error;
  const state = sqlStateOf(error);
  const { code, message } = (error ?? {}) as ErrorLike;
  if (state !== undefined) {
    const reason = REASONS[state] ?? REASONS[state.slice(0, 2)] ?? "DATABASE_UNAVAILABLE";
    return new SinkFault(reason, `Postgres says: ${String(message)} (SQLSTATE ${state})`, {
      cause: error,
    });
  }
  if (typeof code !== "string") {
    return new SinkFault("INTERNAL", "the sink failed unexpectedly", { cause: error });
  }
  const isTls = /CERT|TLS|SSL|UNABLE_TO|EPROTO/.test(code);
  return new SinkFault(
    isTls ? "TLS_FAILED" : "CONNECTION_FAILED",
    `the connection to Postgres failed: ${code}`,
    {
      cause: error,
    },
  );
}
