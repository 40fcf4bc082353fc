/** New secrets for tokens, in steps that leave no gap: of one token, or of all that a sink uses. */
import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import { Token_Kind } from "#gen/tributary/management/v1/token_pb.js";
import type {
  RefreshSinkTokensRequest,
  RefreshTokenRequest,
} from "#gen/tributary/management/v1/token_service_pb.js";
import { fail, notFound } from "../core/errors.ts";
import type { Principal } from "../core/principal.ts";
import { makeTokenText } from "../core/token-text.ts";
import type { Queries } from "../db/client.ts";
import { type Catalog, checkName } from "./catalog.ts";
import { findSink } from "./sink-store.ts";
import { checkTokenNotWider } from "./token-check.ts";
import {
  kindOfToken,
  lockServiceTokensOf,
  lockToken,
  type TokenRow,
  tokenFromRow,
  updateTokenRow,
} from "./token-store.ts";
import { visibleToken } from "./visible-token.ts";

/** Gives a token a new secret; the old one works on for `overlap`, and every node knows both at once. */
export async function refreshToken(
  catalog: Catalog,
  { name, overlap }: RefreshTokenRequest,
  caller: Principal,
) {
  const { database, now, refresh } = catalog;
  const times = timesOf(now(), overlap);
  const made = await database.inProject(name, async (queries) => {
    const found = await visibleToken(queries, caller, { name, find: lockToken });
    if (found.kind === Token_Kind.PERSONAL && found.makerId !== caller.id) {
      throw fail("ROLE_MISSING", "a personal token is refreshed by its own person alone");
    }
    await checkTokenNotWider(queries, caller, found);
    return await renew(queries, found, times);
  });
  await refresh();
  return made;
}

/** The same for all service tokens that a sink uses. Fails with RESOURCE_NOT_FOUND without the sink. */
export async function refreshSinkTokens(
  catalog: Catalog,
  { parent, overlap }: RefreshSinkTokensRequest,
  caller: Principal,
) {
  const { database, now, refresh } = catalog;
  const times = timesOf(now(), overlap);
  const tokens = await database.inProject(checkName(parent, "sink"), async (queries) => {
    const sink = await findSink(queries, parent);
    if (!sink) throw notFound(parent);
    const used = await lockServiceTokensOf(queries, parent);
    for (const row of used) await checkTokenNotWider(queries, caller, row);
    const made: Awaited<ReturnType<typeof renew>>[] = [];
    for (const row of used) made.push(await renew(queries, row, times));
    return made;
  });
  await refresh();
  return { tokens };
}

interface Times {
  readonly now: Date;
  /** End of the old secret; null when that is now. */
  readonly oldEnd: Date | null;
}

function timesOf(nowMs: number, overlap: Duration | undefined): Times {
  const overlapMs = overlap ? durationMs(overlap) : 0;
  return { now: new Date(nowMs), oldEnd: overlapMs > 0 ? new Date(nowMs + overlapMs) : null };
}

async function renew(queries: Queries, found: TokenRow, { now, oldEnd }: Times) {
  const text = makeTokenText(kindOfToken(found), found.uid);
  const values = {
    sha256: text.sha256,
    oldSha256: oldEnd && found.sha256,
    oldEndTime: oldEnd,
    version: found.version + 1,
    updateTime: now,
  };
  await updateTokenRow(queries, found.uid, values);
  return { token: tokenFromRow({ ...found, ...values }, now), secret: text.text };
}
