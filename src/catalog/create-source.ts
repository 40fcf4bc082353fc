/** Makes sources. */
import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { type Source, Source_Mode, SourceSchema } from "#gen/tributary/management/v1/source_pb.js";
import type { CreateSourceRequest } from "#gen/tributary/management/v1/source_service_pb.js";
import { SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import type { IssuedToken } from "#gen/tributary/management/v1/token_pb.js";
import { failFields, notFound } from "../core/errors.ts";
import { formatName, ID_PATTERN, parseName } from "../core/names.ts";
import type { Principal } from "../core/principal.ts";
import { uniqueViolationOf } from "../db/database-errors.ts";
import { nextPollTime } from "../sources/poll.ts";
import { attachToken } from "./attached-token.ts";
import { alreadyExists, checkName, chooseId, insertNamed } from "./catalog.ts";
import { checkCreation } from "./creation-quota.ts";
import { findReadyBranch } from "./log-store.ts";
import { schedulePoll } from "./poll-store.ts";
import type { SourceCatalog } from "./source-catalog.ts";
import { checkSource } from "./source-check.ts";
import { makePublicId, makeSourceSecret, type SourceSecret, storeSecret } from "./source-secret.ts";
import {
  encodeSource,
  insertSource,
  insertSourceKey,
  type SourceKeyRow,
  type SourceRow,
} from "./source-store.ts";
import { addressOf, viewSource } from "./source-view.ts";
import { findStream, lockStream, type StreamRow } from "./stream-store.ts";

/** What `createSource` takes: a request, or the same as a plain object. */
export type NewSource = Pick<CreateSourceRequest, "parent" | "sourceId"> & {
  readonly source?: MessageInitShape<typeof SourceSchema> | undefined;
  readonly validateOnly?: boolean;
  /** Who makes a token with it; nobody when left out. */
  readonly tokenMaker?: Principal | undefined;
};

/**
 * Checks a source and saves it. Fails with INVALID_FIELDS, NOT_IMPLEMENTED, ALREADY_EXISTS,
 * QUOTA_EXCEEDED or RESOURCE_NOT_FOUND, and then nothing is made.
 */
export async function createSource(
  catalog: SourceCatalog,
  request: NewSource,
): Promise<{ source: Source; secret: string; url: string; token?: IssuedToken }> {
  const given = create(SourceSchema, request.source);
  const { tokenMaker } = request;
  if (tokenMaker && given.authentication.case !== "bearer") {
    const description = "is for the kind bearer: a source of another kind takes no tokens";
    throw failFields([{ field: "with_token", description }]);
  }
  const [project = "", streamId = ""] =
    parseName(checkName(request.parent, "stream"), "stream") ?? [];
  const id = chooseId("source_id", request.sourceId, given.displayName);
  const name = formatName("source", project, streamId, id);
  const publicId = given.publicId || makePublicId();
  const chosen = chosenSecret(given);
  const made = chosen ?? makeSourceSecret(given);
  const time = new Date(catalog.now());
  const save = () =>
    catalog.database.inProject(name, async (queries) => {
      const found = await findStream(queries, request.parent);
      if (!found) throw notFound(request.parent);
      const { projectUid, uid: streamUid } = found;
      await checkCreation(queries, { projectUid, streamUid }, { sources_per_stream: 1 });
      const stream = await lockStream(queries, request.parent);
      if (!stream || stream.uid !== streamUid) throw notFound(request.parent);
      checkSource(given, fromBinary(SchemaSchema, stream.schema));
      await checkBranch(given.branch, (branch) =>
        findReadyBranch(queries, `${request.parent}/branches/${branch}`),
      );
      const row = rowOf(catalog, { stream, name, publicId, source: savedSource(given, id), time });
      const keys = made ? [keyOf(catalog, row, { source: given, secret: made })] : [];
      if (request.validateOnly) return { row, keys: [], stats: undefined, token: undefined };
      await insertSource(queries, row);
      for (const key of keys) await insertSourceKey(queries, key);
      if (given.poll) await schedulePoll(queries, row, nextPollTime(given.poll, time));
      const token =
        tokenMaker && (await attachToken(catalog, queries, { user: row, caller: tokenMaker }));
      return { row, keys, stats: undefined, token };
    });
  const { token, ...saved } = await insertNamed({ name, field: "source_id" }, () =>
    namePublicId(publicId, save),
  );
  const publicUrl = catalog.publicUrl();
  const source = viewSource(saved, publicUrl);
  if (request.validateOnly) return { source, secret: "", url: source.url };
  await catalog.refresh();
  const isInUrl = given.authentication.case === "secretUrl";
  return {
    source,
    // What the caller chose it knows already.
    secret: chosen ? "" : (made?.secret ?? ""),
    url: addressOf(publicUrl, publicId, isInUrl ? made?.secret : undefined),
    ...(token && { token }),
  };
}

/** A secret that came with the source; undefined when one is to be made, or none is needed. */
export function chosenSecret({ authentication, poll }: Source): SourceSecret | undefined {
  const headers = Object.entries(poll?.headers ?? {});
  if (headers.some(([, value]) => value !== "")) {
    return { secret: JSON.stringify(Object.fromEntries(headers)), hint: "" };
  }
  if (authentication.case !== "signature" || authentication.value.secret === "") return undefined;
  return { secret: authentication.value.secret, hint: "" };
}

/** What is saved of a message: nothing that the server says by itself, and no secret. */
export function savedSource(source: Source, id: string): Source {
  const saved = create(SourceSchema, {
    displayName: source.displayName || id,
    description: source.description,
    branch: source.branch,
    mode: source.mode || Source_Mode.RECORDS,
    authentication: source.authentication,
    allowedAddresses: source.allowedAddresses,
    ...(source.challenges && { challenges: source.challenges }),
    methods: source.methods,
    quarantine: source.quarantine,
    recordIdPath: source.recordIdPath,
    keepHeaders: source.keepHeaders,
    disabled: source.disabled,
    ...(source.poll && { poll: { ...source.poll, headers: withoutValues(source.poll.headers) } }),
  });
  if (saved.authentication.case === "signature") {
    saved.authentication.value = { ...saved.authentication.value, secret: "" };
  }
  return saved;
}

function withoutValues(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.keys(headers).map((name) => [name.toLowerCase(), ""]));
}

/** A key to save. */
export function keyOf(
  { masterKey, makeUid, now }: Pick<SourceCatalog, "masterKey" | "makeUid" | "now">,
  row: Pick<SourceRow, "uid" | "projectUid">,
  { source, secret }: { readonly source: Source; readonly secret: SourceSecret },
): SourceKeyRow {
  const uid = makeUid();
  return {
    uid,
    projectUid: row.projectUid,
    sourceUid: row.uid,
    ...storeSecret(masterKey, { projectUid: row.projectUid, keyUid: uid, source }, secret),
    createTime: new Date(now()),
    endTime: null,
    lastUsedTime: null,
  };
}

interface NewRow {
  readonly stream: StreamRow;
  readonly name: string;
  readonly publicId: string;
  readonly source: Source;
  readonly time: Date;
}

function rowOf(
  { makeUid }: SourceCatalog,
  { stream, name, publicId, source, time }: NewRow,
): SourceRow {
  return {
    uid: makeUid(),
    projectUid: stream.projectUid,
    streamUid: stream.uid,
    name,
    publicId,
    definition: encodeSource(source),
    version: 1,
    createTime: time,
    updateTime: time,
  };
}

async function checkBranch(
  branch: string,
  find: (branch: string) => Promise<unknown>,
): Promise<void> {
  if (branch === "" || (ID_PATTERN.test(branch) && (await find(branch)))) return;
  throw failFields([
    { field: "source.branch", description: `the branch ${branch} does not exist` },
  ]);
}

async function namePublicId<T>(publicId: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!uniqueViolationOf(error)?.endsWith("_public_id_key")) throw error;
    throw alreadyExists(`/in/${publicId}`, "source.public_id", error);
  }
}
