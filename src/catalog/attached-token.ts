/** Tokens that are made together with the sink or source that they are for. */

import { create } from "@bufbuild/protobuf";
import { AccessRule_Role } from "#gen/tributary/access/v1/access_pb.js";
import {
  type IssuedToken,
  IssuedTokenSchema,
  Token_Kind,
} from "#gen/tributary/management/v1/token_pb.js";
import { formatName, parseName, projectOf } from "../core/names.ts";
import type { Principal } from "../core/principal.ts";
import { makeTokenText } from "../core/token-text.ts";
import type { Queries } from "../db/client.ts";
import type { Catalog } from "./catalog.ts";
import { checkTokenNotWider, checkTokenRoom } from "./token-check.ts";
import { insertToken, tokenFromRow } from "./token-store.ts";

/** What a token is made for, in the transaction that makes it. */
export interface TokenUser {
  readonly uid: string;
  readonly projectUid: string;
  /** Name of the sink or source. */
  readonly name: string;
}

/** Least that serves: a sink's receiver looks, a source's sender sends. */
const RIGHTS = {
  sink: { role: AccessRule_Role.VIEWER, operations: ["api:use-streams-read"] },
  source: { role: AccessRule_Role.EDITOR, operations: ["api:use-streams-write"] },
} as const;

/**
 * Makes a service token that is bound to the sink or source, used by it, and described by its name.
 * Fails with ROLE_MISSING, OPERATION_MISSING and QUOTA_EXCEEDED.
 */
export async function attachToken(
  { makeUid, now }: Pick<Catalog, "makeUid" | "now">,
  queries: Queries,
  { user, caller }: { readonly user: TokenUser; readonly caller: Principal },
): Promise<IssuedToken> {
  const project = projectOf(user.name) ?? "";
  const rights = RIGHTS[parseName(user.name, "sink") ? "sink" : "source"];
  const kind = Token_Kind.SERVICE;
  const { role } = rights;
  const operations = [...rights.operations];
  await checkTokenNotWider(queries, caller, { kind, resource: user.name, role, operations });
  await checkTokenRoom(queries, { projectUid: user.projectUid, project });
  const text = makeTokenText("service", makeUid());
  const time = new Date(now());
  const row = {
    uid: text.uid,
    projectUid: user.projectUid,
    name: formatName("token", ...parseName(project, "project")!, text.uid),
    ...{ kind, role, operations, resource: user.name, resourceUid: user.uid },
    ...{ makerId: caller.id, description: descriptionOf(user.name), usedBy: user.name },
    ...{ sha256: text.sha256, oldSha256: null, oldEndTime: null, endTime: null },
    ...{ isDisabled: false, lastUsedTime: null, version: 1, createTime: time, updateTime: time },
  };
  await insertToken(queries, row);
  return create(IssuedTokenSchema, { token: tokenFromRow(row, time), secret: text.text });
}

/** What a token is for, in words: the sink or source, and its stream. Empty for nothing. */
export function descriptionOf(usedBy: string): string {
  const [, stream, sink] = parseName(usedBy, "sink") ?? [];
  if (sink !== undefined) return `Sink ${sink} of stream ${stream}`;
  const [, fed, source] = parseName(usedBy, "source") ?? [];
  return source === undefined ? "" : `Source ${source} of stream ${fed}`;
}
