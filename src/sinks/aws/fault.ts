/** What errors of AWS mean, by their names; texts are the service's own, cut and cleaned. */
import type { RequestOutcome, RowOutcome } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";

const EXCERPT_CHARS = 300;
const DENIED = /AccessDenied|NotAuthorized|UnauthorizedOperation|^Forbidden$|AuthorizationError/i;
const UNKNOWN_CALLER =
  /InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|InvalidSignature|InvalidAccessKeyId|MissingAuthenticationToken|IncompleteSignature|ExpiredToken|InvalidSecurity|NotSignedUp|OptInRequired|RequestTimeTooSkewed/i;
const MISSING =
  /QueueDoesNotExist|NonExistentQueue|ResourceNotFound|NoSuchBucket|^NotFound$|InvalidAddress/i;
const THROTTLED =
  /Throttl|TooManyRequests|SlowDown|ProvisionedThroughputExceeded|OverLimit|LimitExceeded|RequestLimit|ServiceUnavailable/i;

/** What an error of a client tells beside its name and message. */
interface AwsError extends Error {
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** How a fault is made of an error. */
export interface AwsFaultOptions {
  /** What was tried, as in "sending to the queue". */
  readonly what: string;
  /** What to copy when the right is missing. */
  readonly remedy?: string;
}

/** The fault of an error. Its text never holds the secret: clients do not know how to send it. */
export function toAwsFault(error: unknown, { what, remedy }: AwsFaultOptions): SinkFault {
  if (error instanceof SinkFault) return error;
  const { name, message, code, $metadata } = error as AwsError;
  if (name === "AbortError" || name === "TimeoutError") {
    return new SinkFault("TIMEOUT", `${what} did not finish in the time of one attempt`);
  }
  const status = $metadata?.httpStatusCode;
  if (status === undefined && typeof code === "string") {
    const reason = /CERT|SSL|TLS|SELF_SIGNED/.test(code) ? "TLS_FAILED" : "CONNECTION_FAILED";
    return new SinkFault(reason, `${what} failed: ${code}`, { cause: error });
  }
  const why = `${what} failed: ${describeAws(name, message)}`;
  const reason = reasonOf(name, status);
  return new SinkFault(reason, why, {
    cause: error,
    ...(reason === "ACCESS_DENIED" && { remedy }),
  });
}

function reasonOf(name: string, status: number | undefined): string {
  if (DENIED.test(name)) return "ACCESS_DENIED";
  if (UNKNOWN_CALLER.test(name)) return "AUTHENTICATION_FAILED";
  if (MISSING.test(name)) return "DESTINATION_MISSING";
  if (isThrottle(name) || status === 429 || status === 503) return "THROTTLED";
  if (status === 403) return "ACCESS_DENIED";
  return "AWS_ERROR";
}

/** Whether an error code asks for fewer requests. */
export function isThrottle(code: string): boolean {
  return THROTTLED.test(code);
}

/** Whether an error code of one entry speaks of rights rather than of the entry. */
export function isDenied(code: string): boolean {
  return DENIED.test(code) || /kms/i.test(code);
}

/** Code and message of the service in one line. */
export function describeAws(code: string, message: string | undefined): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters have no place in a cause.
  const text = (message ?? "").replace(/[\u0000-\u001f\u007f\s]+/g, " ").trim();
  const cut = text.length > EXCERPT_CHARS ? `${text.slice(0, EXCERPT_CHARS)}…` : text;
  return cut === "" ? code : `${code}: ${cut}`;
}

/** The same request again: by the schedule, or soon and without burning an attempt when throttled. */
export function retryAws({ reason, message, remedy }: SinkFault): RequestOutcome {
  const why = remedy ? `${message}; what it needs: ${JSON.stringify(JSON.parse(remedy))}` : message;
  const burnsAttempt = reason !== "THROTTLED";
  return { kind: "retry", scope: "sink", reason, why, burnsAttempt };
}

/** The outcome of a row that can never be delivered. */
export function reject(reason: string, why: string): RowOutcome {
  return { kind: "reject", reason, why };
}
