/** Personal and service tokens in the database: what is known of them, and hashes of their secrets. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { and, asc, eq } from "drizzle-orm";
import { type Token, Token_Kind, TokenSchema } from "#gen/tributary/management/v1/token_pb.js";
import type { PageRequest } from "../core/page-token.ts";
import { type TokenKind, tokenPrefix } from "../core/token-text.ts";
import type { Queries } from "../db/client.ts";
import { tokens } from "../db/schema.ts";
import { etagOf } from "./catalog.ts";
import { newestFirst } from "./newest-first.ts";

/** A row of `tokens`. */
export type TokenRow = typeof tokens.$inferSelect;

/** What a stored token is for. */
export function kindOfToken({ kind }: Pick<TokenRow, "kind">): TokenKind {
  return kind === Token_Kind.PERSONAL ? "personal" : "service";
}

/** The token as callers see it. */
export function tokenFromRow(row: TokenRow, now: Date): Token {
  const isOldLive = row.oldEndTime !== null && row.oldEndTime > now;
  return create(TokenSchema, {
    name: row.name,
    kind: row.kind,
    description: row.description,
    resource: row.resource,
    role: row.role,
    operations: row.operations,
    ...(row.endTime && { expireTime: timestampFromDate(row.endTime) }),
    disabled: row.isDisabled,
    usedBy: row.usedBy,
    prefix: tokenPrefix(kindOfToken(row), row.uid),
    maker: row.makerId,
    ...(row.lastUsedTime && { lastUsedTime: timestampFromDate(row.lastUsedTime) }),
    ...(isOldLive && row.oldEndTime && { oldSecretEndTime: timestampFromDate(row.oldEndTime) }),
    uid: row.uid,
    createTime: timestampFromDate(row.createTime),
    updateTime: timestampFromDate(row.updateTime),
    etag: etagOf(row),
  });
}

/** Inserts. */
export async function insertToken(queries: Queries, row: TokenRow): Promise<void> {
  await queries.insert(tokens).values(row);
}

/** The token of this name. */
export async function findToken(queries: Queries, name: string): Promise<TokenRow | undefined> {
  return (await queries.select().from(tokens).where(eq(tokens.name, name)))[0];
}

/** The token, locked until the transaction ends. */
export async function lockToken(queries: Queries, name: string): Promise<TokenRow | undefined> {
  return (await queries.select().from(tokens).where(eq(tokens.name, name)).for("update"))[0];
}

/** The service tokens that a sink or source uses, oldest first, locked until the transaction ends. */
export async function lockServiceTokensOf(queries: Queries, usedBy: string): Promise<TokenRow[]> {
  return await queries
    .select()
    .from(tokens)
    .where(and(eq(tokens.usedBy, usedBy), eq(tokens.kind, Token_Kind.SERVICE)))
    .orderBy(asc(tokens.createTime), asc(tokens.uid))
    .for("update");
}

/** A page of the tokens of a project, or of those that one principal made; one row more than it holds. */
export async function listTokens(
  queries: Queries,
  of: { readonly projectUid: string; readonly makerId?: string | undefined },
  page: PageRequest,
): Promise<TokenRow[]> {
  const ofMaker = of.makerId === undefined ? undefined : eq(tokens.makerId, of.makerId);
  const condition = and(eq(tokens.projectUid, of.projectUid), ofMaker);
  const { where, orderBy, limit } = newestFirst(tokens, page, condition);
  return await queries
    .select()
    .from(tokens)
    .where(where)
    .orderBy(...orderBy)
    .limit(limit);
}

/** Changes a row; `version` must grow for the data plane to see it. */
export async function updateTokenRow(
  queries: Queries,
  uid: string,
  values: Partial<TokenRow>,
): Promise<void> {
  await queries.update(tokens).set(values).where(eq(tokens.uid, uid));
}

/** Deletes a token. */
export async function deleteTokenRow(queries: Queries, uid: string): Promise<void> {
  await queries.delete(tokens).where(eq(tokens.uid, uid));
}

/** Notes that a token was used. Wakes nobody: no snapshot holds this time. */
export async function noteTokenUse(queries: Queries, uid: string, time: Date): Promise<void> {
  await queries.update(tokens).set({ lastUsedTime: time }).where(eq(tokens.uid, uid));
}
