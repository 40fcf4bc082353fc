/** A new project with its first OWNER. */
import { AccessRule_Role } from "#gen/tributary/access/v1/access_pb.js";
import type { Queries } from "../db/client.ts";
import type { Catalog } from "./catalog.ts";
import { putGrant } from "./grant-store.ts";
import { insertProject, type ProjectRow } from "./project-store.ts";

/** What the project is. */
export interface OwnedProject extends Pick<ProjectRow, "name" | "displayName" | "description"> {
  /** Client id, or `person:<uid>`. */
  readonly ownerId: string;
}

/** Inserts both; a taken name is a unique violation. */
export async function insertOwnedProject(
  queries: Queries,
  catalog: Pick<Catalog, "makeUid" | "now">,
  { ownerId, ...given }: OwnedProject,
): Promise<ProjectRow> {
  const time = new Date(catalog.now());
  const row = { ...given, uid: catalog.makeUid(), version: 1, createTime: time, updateTime: time };
  await insertProject(queries, row);
  await putGrant(queries, {
    uid: catalog.makeUid(),
    projectUid: row.uid,
    streamUid: null,
    resource: row.name,
    principalId: ownerId,
    role: AccessRule_Role.OWNER,
    version: 1,
    createTime: time,
  });
  return row;
}
