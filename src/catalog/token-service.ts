/** TokenService. */
import { create as createMessage } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { type Token, TokenSchema } from "#gen/tributary/management/v1/token_pb.js";
import type {
  CreateTokenRequest,
  DeleteTokenRequest,
  ListTokensRequest,
  TokenService,
  UpdateTokenRequest,
} from "#gen/tributary/management/v1/token_service_pb.js";
import { fail, notFound } from "../core/errors.ts";
import { applyFieldMask } from "../core/field-mask.ts";
import { formatName, parseName, projectOf } from "../core/names.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import type { Principal } from "../core/principal.ts";
import { makeTokenText } from "../core/token-text.ts";
import { descriptionOf } from "./attached-token.ts";
import { type Catalog, callerOf, checkEtag, checkName } from "./catalog.ts";
import { cursorOf } from "./newest-first.ts";
import { findProject } from "./project-store.ts";
import { refreshSinkTokens, refreshToken } from "./refresh-tokens.ts";
import {
  checkToken,
  checkTokenNotWider,
  checkTokenRoom,
  checkUser,
  identityOf,
  isUsed,
} from "./token-check.ts";
import {
  deleteTokenRow,
  findToken,
  insertToken,
  kindOfToken,
  listTokens,
  lockToken,
  type TokenRow,
  tokenFromRow,
  updateTokenRow,
} from "./token-store.ts";
import { isTokenOwner, visibleToken } from "./visible-token.ts";

/** The rpcs of TokenService. */
export function createTokenService(catalog: Catalog): ServiceImpl<typeof TokenService> {
  return {
    createToken: (request, context) => create(catalog, request, callerOf(context)),
    async getToken({ name }, context) {
      const row = await catalog.database.inProject(name, (queries) =>
        visibleToken(queries, callerOf(context), { name, find: findToken }),
      );
      return { token: tokenFromRow(row, timeOf(catalog)) };
    },
    listTokens: (request, context) => list(catalog, request, callerOf(context)),
    updateToken: async (request, context) => ({
      token: await update(catalog, request, callerOf(context)),
    }),
    async deleteToken(request, context) {
      await remove(catalog, request, callerOf(context));
      return {};
    },
    refreshToken: (request, context) => refreshToken(catalog, request, callerOf(context)),
    refreshSinkTokens: (request, context) => refreshSinkTokens(catalog, request, callerOf(context)),
  };
}

const timeOf = (catalog: Catalog) => new Date(catalog.now());

async function create(catalog: Catalog, request: CreateTokenRequest, caller: Principal) {
  const parent = checkName(request.parent, "project");
  const token = createMessage(TokenSchema, request.token);
  token.resource ||= parent;
  checkToken(token, { parent, caller, nowMs: catalog.now() });
  const text = makeTokenText(kindOfToken(token), catalog.makeUid());
  const row = await catalog.database.inProject(parent, async (queries) => {
    const project = await findProject(queries, parent);
    if (!project) throw notFound(parent);
    await checkTokenNotWider(queries, caller, token);
    await checkTokenRoom(queries, { projectUid: project.uid, project: parent });
    await checkUser(queries, token.usedBy);
    const made = rowOf(token, {
      uid: text.uid,
      projectUid: project.uid,
      name: formatName("token", ...parseName(parent, "project")!, text.uid),
      resourceUid: await identityOf(queries, token.resource),
      makerId: caller.id,
      sha256: text.sha256,
      createTime: timeOf(catalog),
    });
    await insertToken(queries, made);
    return made;
  });
  await catalog.refresh();
  return { token: tokenFromRow(row, row.createTime), secret: text.text };
}

type MadeToken = Pick<
  TokenRow,
  "uid" | "projectUid" | "name" | "resourceUid" | "makerId" | "sha256" | "createTime"
>;

function rowOf(token: Token, made: MadeToken): TokenRow {
  return {
    ...made,
    kind: token.kind,
    resource: token.resource,
    role: token.role,
    operations: token.operations,
    description: token.description || descriptionOf(token.usedBy),
    usedBy: token.usedBy,
    oldSha256: null,
    oldEndTime: null,
    isDisabled: token.disabled,
    endTime: token.expireTime ? timestampDate(token.expireTime) : null,
    lastUsedTime: null,
    version: 1,
    updateTime: made.createTime,
  };
}

async function list(catalog: Catalog, request: ListTokensRequest, caller: Principal) {
  const page = readPageRequest(`tokens of ${request.parent}`, request);
  const rows = await catalog.database.inProject(request.parent, async (queries) => {
    const project = await findProject(queries, request.parent);
    if (!project) throw notFound(request.parent);
    const makerId = (await isTokenOwner(queries, caller, request.parent)) ? undefined : caller.id;
    return await listTokens(queries, { projectUid: project.uid, makerId }, page);
  });
  const { rows: shown, nextPageToken } = makePage(page, rows, cursorOf);
  return { tokens: shown.map((row) => tokenFromRow(row, timeOf(catalog))), nextPageToken };
}

const writable = ["description", "disabled", "used_by"];

async function update(
  catalog: Catalog,
  { token: changed, updateMask: mask }: UpdateTokenRequest,
  caller: Principal,
): Promise<Token> {
  const name = changed?.name ?? "";
  const row = await catalog.database.inProject(name, async (queries) => {
    const found = await visibleToken(queries, caller, { name, find: lockToken });
    if (!changed) throw notFound(name);
    checkEtag(changed.etag, found);
    const current = tokenFromRow(found, timeOf(catalog));
    const wanted = applyFieldMask(TokenSchema, { current, changed, mask, writable });
    if (wanted.usedBy !== "" && wanted.usedBy !== found.usedBy) {
      if (projectOf(wanted.usedBy) !== projectOf(name)) throw notFound(wanted.usedBy);
      await checkUser(queries, wanted.usedBy);
    }
    const values = {
      description: wanted.description,
      isDisabled: wanted.disabled,
      usedBy: wanted.usedBy,
      version: found.version + 1,
      updateTime: timeOf(catalog),
    };
    await updateTokenRow(queries, found.uid, values);
    return { ...found, ...values };
  });
  await catalog.refresh();
  return tokenFromRow(row, timeOf(catalog));
}

async function remove(catalog: Catalog, request: DeleteTokenRequest, caller: Principal) {
  const { name, etag } = request;
  await catalog.database.inProject(name, async (queries) => {
    const row = await visibleToken(queries, caller, { name, find: lockToken });
    checkEtag(etag, row);
    if (await isUsed(queries, row)) {
      const text = `${row.usedBy} uses this token: give it another, clear used_by, then delete`;
      throw fail("WRONG_STATE", text, { metadata: { name, usedBy: row.usedBy } });
    }
    await deleteTokenRow(queries, row.uid);
  });
  await catalog.refresh();
}
