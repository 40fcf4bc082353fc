/**
 * The one error system. Every refusal has a reason from the table below; `fail` makes a ConnectError
 * whose details are google.rpc ErrorInfo (reason, domain `tributary`), BadRequest for faults of
 * fields, and RetryInfo where a retry helps. Nothing else in the code constructs a ConnectError.
 */
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "#gen/google/rpc/error_details_pb.js";

/** Each reason with its code. A reason is used for one meaning. */
export const REASONS = {
  INVALID_FIELDS: Code.InvalidArgument,
  INVALID_JSON: Code.InvalidArgument,
  INVALID_BODY: Code.InvalidArgument,
  RECORD_INVALID: Code.InvalidArgument,
  PAGE_TOKEN_INVALID: Code.InvalidArgument,
  SCHEMA_INVALID: Code.InvalidArgument,
  CONTENT_TYPE_UNSUPPORTED: Code.InvalidArgument,
  RESOURCE_NOT_FOUND: Code.NotFound,
  ROUTE_NOT_FOUND: Code.NotFound,
  /** No source has this address, or its secret is wrong. */
  SOURCE_NOT_FOUND: Code.NotFound,
  ALREADY_EXISTS: Code.AlreadyExists,
  IDEMPOTENCY_KEY_REUSED: Code.AlreadyExists,
  ETAG_STALE: Code.Aborted,
  /** The stream has a newer generation: read its definition again and retry. */
  GENERATION_SEALED: Code.Aborted,
  WRONG_STATE: Code.FailedPrecondition,
  DESTINATION_REFUSED: Code.FailedPrecondition,
  /** Neither DNS nor a GET shows that the host of a webhook is the caller's. */
  OWNERSHIP_UNPROVEN: Code.FailedPrecondition,
  MAIL_NOT_CONFIGURED: Code.FailedPrecondition,
  LAST_OWNER: Code.FailedPrecondition,
  /** A refund that would take records which came without authentication. */
  REFUND_UNAUTHENTICATED: Code.FailedPrecondition,
  REFUND_TOO_LARGE: Code.FailedPrecondition,
  TOKEN_REPEATED: Code.InvalidArgument,
  TOKEN_MISSING: Code.Unauthenticated,
  TOKEN_INVALID: Code.Unauthenticated,
  CLIENT_INVALID: Code.Unauthenticated,
  /** A source's key or password is missing or wrong. */
  KEY_INVALID: Code.Unauthenticated,
  /** A source's signature is missing, wrong, or of another time. */
  SIGNATURE_INVALID: Code.Unauthenticated,
  ADDRESS_NOT_ALLOWED: Code.PermissionDenied,
  SIGN_IN_REFUSED: Code.Unauthenticated,
  OPERATION_MISSING: Code.PermissionDenied,
  ROLE_MISSING: Code.PermissionDenied,
  GRANT_TYPE_OFF: Code.PermissionDenied,
  PROJECT_SUSPENDED: Code.PermissionDenied,
  SIGN_UP_REFUSED: Code.PermissionDenied,
  /** It is for another address than the caller's. */
  INVITATION_OF_ANOTHER: Code.PermissionDenied,
  PASSWORD_WRONG: Code.PermissionDenied,
  /** The caller is an application or a token, where only a person in a session will do. */
  PERSON_REQUIRED: Code.PermissionDenied,
  CSRF_REFUSED: Code.PermissionDenied,
  TOO_LARGE: Code.ResourceExhausted,
  STREAM_FULL: Code.ResourceExhausted,
  TOO_MANY_ATTEMPTS: Code.ResourceExhausted,
  OVERLOADED: Code.ResourceExhausted,
  QUOTA_EXCEEDED: Code.ResourceExhausted,
  BALANCE_USED: Code.ResourceExhausted,
  RATE_EXCEEDED: Code.ResourceExhausted,
  LOG_UNAVAILABLE: Code.Unavailable,
  /** A destination does not take records now; they are tried again. */
  DESTINATION_UNAVAILABLE: Code.Unavailable,
  DATABASE_UNAVAILABLE: Code.Unavailable,
  SHUTTING_DOWN: Code.Unavailable,
  DEADLINE_EXCEEDED: Code.DeadlineExceeded,
  FORMAT_NEWER: Code.FailedPrecondition,
  LOG_CORRUPT: Code.DataLoss,
  NOT_IMPLEMENTED: Code.Unimplemented,
  HEADERS_INVALID: Code.InvalidArgument,
  METHOD_NOT_ALLOWED: Code.Unimplemented,
  INTERNAL: Code.Internal,
} as const satisfies Record<string, Code>;

/** Name of a reason, as callers see it in ErrorInfo. */
export type Reason = keyof typeof REASONS;

/** What is wrong with one field: its path in the request, and the fault with its fix. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** What goes with an error beside its text. */
export interface FailOptions {
  /** Facts for programs; never secrets. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Faults of fields, all of them at once. */
  readonly violations?: readonly FieldViolation[];
  /** When a retry makes sense, in milliseconds from now. */
  readonly retryAfterMs?: number;
  /** Response headers, such as WWW-Authenticate. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/**
 * What callers do wrong, and do often: such an error has no stack, whose gathering takes as long as all
 * else of it. Others should not notice who is refused, and where the fault lies its text says.
 */
const WITHOUT_STACK: ReadonlySet<Code> = new Set([
  Code.InvalidArgument,
  Code.NotFound,
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.ResourceExhausted,
]);

function bareError(code: Code, message: string, options: FailOptions): ConnectError {
  const frames = Error.stackTraceLimit;
  if (WITHOUT_STACK.has(code)) Error.stackTraceLimit = 0;
  try {
    return new ConnectError(message, code, options.headers, undefined, options.cause);
  } finally {
    Error.stackTraceLimit = frames;
  }
}

/** Makes (and does not throw) the error for a reason: `throw fail("STREAM_FULL", "…")`. */
export function fail(reason: Reason, message: string, options: FailOptions = {}): ConnectError {
  const error = bareError(REASONS[reason], message, options);
  error.details.push({
    desc: ErrorInfoSchema,
    value: create(ErrorInfoSchema, {
      reason,
      domain: "tributary",
      metadata: { ...options.metadata },
    }),
  });
  if (options.violations && options.violations.length > 0) {
    error.details.push({
      desc: BadRequestSchema,
      value: create(BadRequestSchema, {
        fieldViolations: options.violations.map((v) => ({ ...v })),
      }),
    });
  }
  if (options.retryAfterMs !== undefined) {
    error.details.push({
      desc: RetryInfoSchema,
      value: create(RetryInfoSchema, { retryDelay: durationFromMs(options.retryAfterMs) }),
    });
  }
  return error;
}

/** INVALID_ARGUMENT that lists every fault; the text repeats the first one. */
export function failFields(violations: readonly FieldViolation[]): ConnectError {
  const first = violations[0];
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : "";
  const text = first ? `${first.field}: ${first.description}${more}` : "invalid request";
  return fail("INVALID_FIELDS", text, { violations });
}

/** The reason of an error that `fail` made; undefined for any other error. */
export function reasonOf(error: unknown): Reason | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  const info = error.findDetails(ErrorInfoSchema).find((d) => d.domain === "tributary");
  return info && info.reason in REASONS ? (info.reason as Reason) : undefined;
}

/** Milliseconds after which a retry makes sense; undefined when the error carries no hint. */
export function retryAfterMsOf(error: unknown): number | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return delay ? Number(delay.seconds) * 1000 + Math.round(delay.nanos / 1e6) : undefined;
}

/**
 * NOT_FOUND in the one wording there is: a resource that does not exist and one that the caller may
 * not know of must answer alike.
 */
export function notFound(name: string): ConnectError {
  return fail("RESOURCE_NOT_FOUND", `${name} does not exist, or you have no access to it`, {
    metadata: { name },
  });
}

/** PERMISSION_DENIED in a project that the operator has suspended. */
export function projectSuspended(name: string): ConnectError {
  return fail("PROJECT_SUSPENDED", `${name} is suspended: ask the operator of this server`, {
    metadata: { project: name },
  });
}

/** RESOURCE_EXHAUSTED that names the quota and its value. */
export function quotaExceeded(
  quota: { readonly project: string; readonly name: string; readonly limit: number },
  text: string,
  retryAfterMs?: number,
): ConnectError {
  const { project, name, limit } = quota;
  return fail("QUOTA_EXCEEDED", `${project} ${text} (quota ${name}: ${limit})`, {
    metadata: { project, quota: name, limit: String(limit) },
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}
