/** Refusals of the lanes and plain routes, told to the audit log as those of rpcs are. */
import { Code } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import type { AuditLog } from "../audit/audit-log.ts";
import type { RefusedClient } from "../auth/token-routes.ts";
import { reasonOf } from "../core/errors.ts";
import { countRefusal, type PushCounts } from "../ingest/push-counts.ts";
import type { Refusal } from "../ingest/push-lane.ts";
import { type RefusedRecords, unreadOf } from "../ingest/refused-records.ts";

/**
 * For a lane: counts refusals, and notes who was not known, and who may not do it. `method` says how it came in. A source
 * with a secret in its address answers a wrong one as if it were not there; that is such a refusal too.
 */
export function notePushRefusals(
  { audit, counts }: { readonly audit: Pick<AuditLog, "noteRefusal">; readonly counts: PushCounts },
  method: string,
): (refusal: Refusal) => void {
  return ({ call, error, principal, resource }) => {
    countRefusal(counts, error);
    const reason = reasonOf(error);
    const isRefusal =
      error.code === Code.Unauthenticated ||
      error.code === Code.PermissionDenied ||
      (reason === "SOURCE_NOT_FOUND" && resource !== "");
    if (!isRefusal) return;
    audit.noteRefusal({
      ...{ principal, method, resource, reason },
      code: codeToString(error.code),
      address: call.remoteAddress,
      requestId: call.requestId,
    });
  };
}

/** Counts calls that were refused while their body was read (B11); of others the way in tells itself. */
export function noteUnreadPushes(
  { note }: Pick<RefusedRecords, "note">,
  streamOf: (resource: string) => Parameters<RefusedRecords["note"]>[0] | undefined,
): (refusal: Refusal) => void {
  return ({ error, resource }) => {
    const records = unreadOf(error);
    const stream = records === undefined ? undefined : streamOf(resource);
    if (stream && records !== undefined) note(stream, records);
  };
}

/** Tells two. */
export function noteBoth<T>(one: (told: T) => void, other: (told: T) => void): (told: T) => void {
  return (told) => {
    one(told);
    other(told);
  };
}

/** For the token, introspection and revocation endpoints. The client id is what was sent, not proven. */
export function noteClientRefusals(
  audit: Pick<AuditLog, "noteRefusal">,
): (refused: RefusedClient) => void {
  return ({ path, clientId, code, call }) =>
    audit.noteRefusal({
      method: `POST ${path}`,
      resource: "",
      request: { client_id: clientId },
      code: code === "unauthorized_client" ? "permission_denied" : "unauthenticated",
      reason: code.toUpperCase(),
      address: call.remoteAddress,
      requestId: call.requestId,
    });
}
