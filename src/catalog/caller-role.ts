/** What a caller may do on a resource, as the database knows it within a transaction. */
import { projectOf, streamOf } from "../core/names.ts";
import { isWithinBound, type Principal } from "../core/principal.ts";
import type { Queries } from "../db/client.ts";
import { findRole } from "./grant-store.ts";

/**
 * The highest role (as AccessRule.Role) that counts on the resource: that of its stream, its project or
 * the installation, no more than the caller's credential gives; 0 for none.
 */
export async function callerRole(
  queries: Queries,
  caller: Principal,
  name: string,
): Promise<number> {
  if (!isWithinBound(caller, name)) return 0;
  if (caller.kind === "token") return caller.role;
  const resources = new Set([streamOf(name) ?? name, projectOf(name) ?? name, ""]);
  const roles: number[] = [];
  for (const resource of resources) roles.push(await findRole(queries, resource, caller.id));
  const roleMax = caller.kind === "person" ? caller.roleMax : undefined;
  return Math.min(Math.max(...roles), roleMax ?? Number.POSITIVE_INFINITY);
}
