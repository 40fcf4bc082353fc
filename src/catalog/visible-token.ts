/** Which tokens a caller sees and changes: its own, and an OWNER of the project all. */
import { AccessRule_Role } from "#gen/tributary/access/v1/access_pb.js";
import { notFound } from "../core/errors.ts";
import { projectOf } from "../core/names.ts";
import type { Principal } from "../core/principal.ts";
import type { Queries } from "../db/client.ts";
import { callerRole } from "./caller-role.ts";
import type { findToken, TokenRow } from "./token-store.ts";

/** Whether the caller may see and change the tokens of everybody in the project. */
export async function isTokenOwner(
  queries: Queries,
  caller: Principal,
  name: string,
): Promise<boolean> {
  return (await callerRole(queries, caller, projectOf(name) ?? name)) >= AccessRule_Role.OWNER;
}

/** A token of the caller, or any where it is OWNER. Fails with RESOURCE_NOT_FOUND. */
export async function visibleToken(
  queries: Queries,
  caller: Principal,
  { name, find }: { readonly name: string; readonly find: typeof findToken },
): Promise<TokenRow> {
  const row = await find(queries, name);
  if (row && (row.makerId === caller.id || (await isTokenOwner(queries, caller, name)))) return row;
  throw notFound(name);
}
