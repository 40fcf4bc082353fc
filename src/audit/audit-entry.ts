/** What is told to the audit log, and the event that it becomes. */
import { create, type JsonObject } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type AuditEvent, AuditEventSchema } from "#gen/tributary/management/v1/audit_event_pb.js";
import type { Principal } from "../core/principal.ts";

/** One call, without anything secret. */
export interface AuditEntry {
  readonly principal?: Principal | undefined;
  /** Full name of the rpc, `package.Service/Method`, or words for a change that no rpc makes. */
  readonly method: string;
  /** Name of what was changed; empty for the installation. */
  readonly resource: string;
  readonly before?: JsonObject | undefined;
  readonly after?: JsonObject | undefined;
  readonly request?: JsonObject | undefined;
  /** `ok`, or the code of the error. */
  readonly code: string;
  readonly reason?: string | undefined;
  readonly address?: string | undefined;
  readonly requestId?: string | undefined;
}

/** The event; `count` is how many calls it stands for. */
export function eventOf(
  entry: AuditEntry,
  { uid, timeMs, count = 1 }: { uid: string; timeMs: number; count?: number },
): AuditEvent {
  const { principal, before, after, request } = entry;
  return create(AuditEventSchema, {
    uid,
    createTime: timestampFromMs(timeMs),
    actor: {
      kind: principal?.kind ?? "",
      id: principal?.id ?? "",
      credentialId: principal?.tokenId ?? "",
    },
    method: entry.method,
    resource: entry.resource,
    ...(before && { before }),
    ...(after && { after }),
    ...(request && { request }),
    code: entry.code,
    reason: entry.reason ?? "",
    address: entry.address ?? "",
    requestId: entry.requestId ?? "",
    count: BigInt(count),
  });
}
