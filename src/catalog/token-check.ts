/** What a token may be: complete, and never wider than who makes it. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { AccessRule_Role } from "#gen/tributary/access/v1/access_pb.js";
import { type Token, Token_Kind } from "#gen/tributary/management/v1/token_pb.js";
import { type FieldViolation, fail, failFields, notFound, quotaExceeded } from "../core/errors.ts";
import { parseName, projectOf } from "../core/names.ts";
import type { Principal } from "../core/principal.ts";
import type { Queries } from "../db/client.ts";
import { checkNotWider } from "./application-check.ts";
import { callerRole } from "./caller-role.ts";
import { countUsed, readQuotas } from "./creation-quota.ts";
import { findProject } from "./project-store.ts";
import { findSink } from "./sink-store.ts";
import { findSource } from "./source-store.ts";
import { findStream } from "./stream-store.ts";
import type { TokenRow } from "./token-store.ts";

/** Longest life of a personal token. */
const PERSONAL_MAX_MS = 90 * 24 * 60 * 60_000;

/** Fails with INVALID_FIELDS that lists every fault of a token to make in a project. */
export function checkToken(
  token: Token,
  { parent, caller, nowMs }: { parent: string; caller: Principal; nowMs: number },
): void {
  const violations: FieldViolation[] = [];
  const refuse = (field: string, description: string) =>
    violations.push({ field: `token.${field}`, description });
  const endMs = token.expireTime && timestampMs(token.expireTime);
  if (token.kind === Token_Kind.KIND_UNSPECIFIED) refuse("kind", "choose PERSONAL or SERVICE");
  if (token.kind === Token_Kind.PERSONAL) {
    if (caller.kind !== "person") refuse("kind", "only people have personal tokens: use SERVICE");
    if (endMs === undefined) refuse("expire_time", "is required for a personal token");
    else if (endMs > nowMs + PERSONAL_MAX_MS) refuse("expire_time", "must be at most 90 days away");
  }
  if (token.kind === Token_Kind.SERVICE && token.role === AccessRule_Role.ROLE_UNSPECIFIED) {
    refuse("role", "is required for a service token: VIEWER, EDITOR or OWNER");
  }
  if (endMs !== undefined && endMs <= nowMs) refuse("expire_time", "must be in the future");
  if (caller.credential === "token" && !(endMs !== undefined && endMs <= caller.expiresAtMs)) {
    if (caller.expiresAtMs !== Number.POSITIVE_INFINITY) {
      refuse("expire_time", "must not be after the end of the token that you call with");
    }
  }
  if (token.operations.length === 0) refuse("operations", "name at least one operation");
  for (const field of ["resource", "usedBy"] as const) {
    const name = token[field];
    if (name !== "" && projectOf(name) !== parent) {
      const protoName = field === "resource" ? field : "used_by";
      refuse(protoName, `must be ${parent}, or the name of a stream, source or sink of it`);
    }
  }
  if (violations.length > 0) throw failFields(violations);
}

/** The identity of a project, stream, source or sink. Fails with RESOURCE_NOT_FOUND. */
export async function identityOf(queries: Queries, name: string): Promise<string> {
  const row =
    (await findUser(queries, name)) ??
    (parseName(name, "stream")
      ? await findStream(queries, name)
      : await findProject(queries, name));
  if (!row) throw notFound(name);
  return row.uid;
}

/** A sink or source, which may use a token. */
async function findUser(queries: Queries, name: string) {
  if (parseName(name, "sink")) return await findSink(queries, name);
  return parseName(name, "source") ? await findSource(queries, name) : undefined;
}

/** Fails with RESOURCE_NOT_FOUND when what should use a token is no sink or source that is there. */
export async function checkUser(queries: Queries, usedBy: string): Promise<void> {
  if (usedBy !== "" && !(await findUser(queries, usedBy))) throw notFound(usedBy);
}

/** Whether the sink or source that a token says to be used by is there. */
export async function isUsed(queries: Queries, { usedBy }: Pick<TokenRow, "usedBy">) {
  return usedBy !== "" && (await findUser(queries, usedBy)) !== undefined;
}

/**
 * Nobody makes or refreshes a token that may do more than they may themselves. Fails with
 * OPERATION_MISSING and ROLE_MISSING; RESOURCE_NOT_FOUND for a resource that the caller may not see.
 */
export async function checkTokenNotWider(
  queries: Queries,
  caller: Principal,
  token: Pick<TokenRow, "kind" | "resource" | "role" | "operations">,
): Promise<void> {
  checkNotWider(caller, token.operations);
  const role = await callerRole(queries, caller, token.resource);
  if (role === AccessRule_Role.ROLE_UNSPECIFIED) throw notFound(token.resource);
  const needed = token.kind === Token_Kind.SERVICE ? AccessRule_Role.OWNER : AccessRule_Role.VIEWER;
  if (role >= Math.max(needed, token.role)) return;
  const name = AccessRule_Role[Math.max(needed, token.role)] ?? "";
  throw fail("ROLE_MISSING", `this needs the role ${name} on ${token.resource}`, {
    metadata: { role: name, resource: token.resource },
  });
}

/** Fails with QUOTA_EXCEEDED when a project has as many tokens as it may have. */
export async function checkTokenRoom(
  queries: Queries,
  { projectUid, project }: { readonly projectUid: string; readonly project: string },
): Promise<void> {
  const { tokens: limit } = await readQuotas(queries, projectUid);
  const used = limit === 0 ? 0 : await countUsed(queries, { projectUid }, "tokens");
  if (limit === 0 || used < limit) return;
  const text = `has ${used} tokens and may have ${limit}; delete those not in use`;
  throw quotaExceeded({ project, name: "tokens", limit }, text);
}
