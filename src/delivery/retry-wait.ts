/** How long a failed request waits (B01), and when a failure is an ERROR of the sink. */
import type { RequestOutcome } from "../sinks/sink.ts";
import type { LaneRequest } from "./lane-request.ts";
import type { VersionPlan } from "./version-table.ts";

/** A failed attempt that is to be repeated. */
export type Retry = Extract<RequestOutcome, { kind: "retry" }>;

/** Failures that say nothing of the request: probed at least this often, so recovery is noticed soon. */
const CONNECTION_REASONS: ReadonlySet<string> = new Set([
  "CONNECTION_FAILED",
  "DATABASE_UNAVAILABLE",
  "NAME_UNKNOWN",
  "TIMEOUT",
]);
const CONNECTION_PROBE_MS = 30_000;

/** Failures that the owner must mend: an ERROR at the first attempt. */
const OWNER_REASONS: ReadonlySet<string> = new Set([
  "LOG_BEHIND",
  "ACCESS_DENIED",
  "ADDRESS_REFUSED",
  "AUTHENTICATION_FAILED",
  "DATABASE_MISSING",
  "DESTINATION_MISSING",
  "DIRECTORY_REFUSED",
  "HTTP_401",
  "HTTP_403",
  "HTTP_404",
  "KEY_MISSING",
  "PERMISSION_DENIED",
  "READ_ONLY",
  "RESOURCE_NOT_FOUND",
  "ROLE_MISSING",
  "ROWS_REFUSED",
  "STAGING_EXPIRED",
  "STAGING_LOST",
  "TABLE_MISMATCH",
  "TEMPLATE_INVALID",
  "TLS_FAILED",
  "URL_INVALID",
]);
/** A failure of our own log, not of the destination: it passes in seconds, as with an election, and is tried until then. */
export const LOG_REASON = "LOG_UNAVAILABLE";
const LOG_WAIT_MS = 500;
const JITTER = 0.2;
const WAIT_WITHOUT_ATTEMPT_MS = 5_000;

/** Milliseconds until the next attempt. `random` is in [0, 1). The receiver's own wish is a minimum. */
export function retryWaitMs(
  retry: Retry,
  { attempts, plan, random }: { attempts: number; plan: VersionPlan; random: () => number },
): number {
  const { scheduleMs } = plan;
  if (retry.reason === LOG_REASON) return LOG_WAIT_MS * (1 - JITTER + 2 * JITTER * random());
  const scheduled = retry.burnsAttempt
    ? scheduleMs[Math.min(Math.max(0, attempts - 1), scheduleMs.length - 1)]!
    : (scheduleMs[0] ?? WAIT_WITHOUT_ATTEMPT_MS);
  const capped = CONNECTION_REASONS.has(retry.reason)
    ? Math.min(scheduled, CONNECTION_PROBE_MS)
    : scheduled;
  const varied = capped * (1 - JITTER + 2 * JITTER * random());
  return Math.max(varied, retry.afterMs ?? 0);
}

/** How long a sink may do nothing but fail. */
const ERROR_AFTER_MS = 15 * 60_000;

/**
 * Whether a failure turns the sink to ERROR: its owner is needed, or the sink has only failed for as long
 * as it may. Where it does not say how long, the second failure of a request is one.
 */
export function isError(
  retry: Retry,
  request: Pick<LaneRequest, "failures">,
  { plan, failingMs }: { readonly plan: VersionPlan; readonly failingMs: number },
): boolean {
  if (OWNER_REASONS.has(retry.reason)) return true;
  if (failingMs >= (plan.errorAfterMs ?? ERROR_AFTER_MS)) return true;
  return plan.errorAfterMs === undefined && retry.burnsAttempt && request.failures >= 2;
}
