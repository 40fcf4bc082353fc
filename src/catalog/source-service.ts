/** SourceService. */
import { fromBinary } from "@bufbuild/protobuf";
import { durationMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { type Source, Source_Mode, SourceSchema } from "#gen/tributary/management/v1/source_pb.js";
import type {
  DeleteSourceRequest,
  ListSourcesRequest,
  RotateSourceKeyRequest,
  SourceService,
  UpdateSourceRequest,
} from "#gen/tributary/management/v1/source_service_pb.js";
import { SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { isSameSet } from "../core/change-data-capture.ts";
import { type FieldViolation, fail, failFields, notFound } from "../core/errors.ts";
import { applyFieldMask } from "../core/field-mask.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import { keepsOf } from "../sources/index.ts";
import { nextPollTime } from "../sources/poll.ts";
import { checkSigningSecret } from "../sources/signature/signature.ts";
import { callerOf, checkEtag } from "./catalog.ts";
import { chosenSecret, createSource, keyOf, savedSource } from "./create-source.ts";
import { keepDeleted } from "./deleted-store.ts";
import { cursorOf } from "./newest-first.ts";
import { schedulePoll } from "./poll-store.ts";
import { createQuarantineMethods } from "./quarantine-methods.ts";
import type { SourceCatalog } from "./source-catalog.ts";
import { checkSource } from "./source-check.ts";
import { makeSourceSecret } from "./source-secret.ts";
import {
  decodeSource,
  deleteSource,
  encodeSource,
  endSourceKeys,
  insertSourceKey,
  listSourceRows,
  loadSource,
  lockSource,
  type SourceRow,
  updateSourceRow,
  withKeys,
} from "./source-store.ts";
import { addressOf, viewSource } from "./source-view.ts";
import { findStream } from "./stream-store.ts";

const OVERLAP_MS = 24 * 60 * 60_000;
/** Keys of a source that work at once. */
const KEYS_MAX = 5;

const writable = [
  "display_name",
  "description",
  "api_key",
  "basic",
  "bearer",
  "signature",
  "secret_url",
  "address",
  "none",
  "allowed_addresses",
  "challenges",
  "methods",
  "quarantine",
  "record_id_path",
  "keep_headers",
  "disabled",
  "poll",
];

/** The rpcs of SourceService. */
export function createSourceService(catalog: SourceCatalog): ServiceImpl<typeof SourceService> {
  const { database, publicUrl, now } = catalog;
  const view = async (name: string) => {
    const saved = await database.inProject(name, (queries) =>
      loadSource(queries, name, new Date(now())),
    );
    return viewSource(saved, publicUrl());
  };
  return {
    createSource(request, context) {
      const tokenMaker = request.withToken ? callerOf(context) : undefined;
      return createSource(catalog, { ...request, tokenMaker });
    },
    getSource: async ({ name }) => ({ source: await view(name) }),
    listSources: (request) => list(catalog, request),
    async updateSource(request) {
      const secret = await updateSource(catalog, request);
      return { source: await view(request.source?.name ?? ""), secret };
    },
    async deleteSource(request) {
      await remove(catalog, request);
      return {};
    },
    async rotateSourceKey(request) {
      const { secret, publicId, isInUrl, endTime } = await rotate(catalog, request);
      return {
        source: await view(request.name),
        secret: request.secret === "" ? secret : "",
        url: addressOf(publicUrl(), publicId, isInUrl ? secret : undefined),
        oldKeysEndTime: timestampFromDate(endTime),
      };
    },
    ...createQuarantineMethods(catalog),
  };
}

async function list({ database, publicUrl, now }: SourceCatalog, request: ListSourcesRequest) {
  const page = readPageRequest(`sources of ${request.parent}`, request);
  return await database.inProject(request.parent, async (queries) => {
    const parent = await findStream(queries, request.parent);
    if (!parent) throw notFound(request.parent);
    const rows = await listSourceRows(queries, parent.uid, page);
    const { rows: shown, nextPageToken } = makePage(page, rows, cursorOf);
    const saved = await withKeys(queries, shown, new Date(now()));
    return { sources: saved.map((each) => viewSource(each, publicUrl())), nextPageToken };
  });
}

/**
 * Saves a change; gives the new secret when the kind of authentication changed. Fails with
 * INVALID_FIELDS, ETAG_STALE or RESOURCE_NOT_FOUND.
 */
export async function updateSource(
  catalog: SourceCatalog,
  { source: changed, updateMask: mask }: UpdateSourceRequest,
): Promise<string> {
  const name = changed?.name ?? "";
  if (!changed) throw notFound(name);
  const { database, now } = catalog;
  const secret = await database.inProject(name, async (queries) => {
    const row = await lockSource(queries, name);
    if (!row) throw notFound(name);
    checkEtag(changed.etag, row);
    const current = decodeSource(row);
    checkFixed(changed, row);
    const wanted = applyFieldMask(SourceSchema, { current, changed, mask, writable });
    const stream = await findStream(queries, row.name.split("/").slice(0, 4).join("/"));
    if (!stream) throw notFound(name);
    checkSource(wanted, fromBinary(SchemaSchema, stream.schema));
    const isOther = wanted.authentication.case !== current.authentication.case;
    const chosen = chosenSecret(wanted);
    const isPolled = wanted.mode === Source_Mode.POLL;
    if (isPolled) checkKeptHeaders(wanted, current, chosen !== undefined);
    if (chosen && !isOther && !isPolled) {
      const description = "is changed by RotateSourceKey, which keeps the old one for a while";
      throw failFields([{ field: "source.signature.secret", description }]);
    }
    const made = isOther || isPolled ? (chosen ?? makeSourceSecret(wanted)) : undefined;
    const time = new Date(now());
    if (isOther || (isPolled && chosen)) await endSourceKeys(queries, row.uid, time);
    if (wanted.poll) await schedulePoll(queries, row, nextPollTime(wanted.poll, time));
    if (made) {
      await insertSourceKey(queries, keyOf(catalog, row, { source: wanted, secret: made }));
    }
    const definition = encodeSource(savedSource(wanted, wanted.displayName));
    await updateSourceRow(queries, row.uid, {
      definition,
      version: row.version + 1,
      updateTime: time,
    });
    return chosen ? "" : (made?.secret ?? "");
  });
  await catalog.refresh();
  return secret;
}

/** Headers whose values are left out stay as they are, so their names must be those that are saved. */
function checkKeptHeaders(wanted: Source, current: Source, isGiven: boolean): void {
  const names = Object.keys(wanted.poll?.headers ?? {}).map((name) => name.toLowerCase());
  if (isGiven || names.length === 0 || isSameSet(names, Object.keys(current.poll?.headers ?? {}))) {
    return;
  }
  const description = "has no values: give them all, or the names that are saved";
  throw failFields([{ field: "source.poll.headers", description }]);
}

/** What was settled at creation may be given back as it is, and not otherwise. */
function checkFixed(changed: UpdateSourceRequest["source"] & object, row: SourceRow): void {
  const current = decodeSource(row);
  const violations: FieldViolation[] = [];
  const refuse = (field: string) =>
    violations.push({ field: `source.${field}`, description: "is settled at creation" });
  if (changed.mode !== 0 && changed.mode !== current.mode) refuse("mode");
  if (changed.branch !== "" && changed.branch !== (current.branch || "main")) refuse("branch");
  if (changed.publicId !== "" && changed.publicId !== row.publicId) refuse("public_id");
  if (violations.length > 0) throw failFields(violations);
}

async function remove(
  { database, refresh, desk, logger, now }: SourceCatalog,
  { name, etag, allowMissing }: DeleteSourceRequest,
): Promise<void> {
  const gone = await database.inProject(name, async (queries) => {
    const row = await lockSource(queries, name);
    if (!row && allowMissing) return undefined;
    if (!row) throw notFound(name);
    checkEtag(etag, row);
    await keepDeleted(queries, "source", { ...row, time: new Date(now()) });
    await deleteSource(queries, row.uid);
    return row;
  });
  await refresh();
  if (!gone) return;
  await desk.removeAll(gone).catch((error: unknown) => {
    logger.warn("the quarantine of a deleted source stays for now", { source: name, error });
  });
}

async function rotate(catalog: SourceCatalog, request: RotateSourceKeyRequest) {
  const { database, now, refresh } = catalog;
  const { name, overlap } = request;
  const rotated = await database.inProject(name, async (queries) => {
    const row = await lockSource(queries, name);
    if (!row) throw notFound(name);
    const source = decodeSource(row);
    const kind = source.authentication.case;
    const made = newSecret(request, () => makeSourceSecret(source), keepsOf(kind));
    const time = new Date(now());
    const { keys } = (await withKeys(queries, [row], time))[0]!;
    if (keys.length >= KEYS_MAX) {
      const text = `${KEYS_MAX} keys work already: wait until one ends, or rotate with overlap 0`;
      if (!overlap || durationMs(overlap) > 0) throw fail("WRONG_STATE", text);
    }
    const endTime = new Date(time.getTime() + (overlap ? durationMs(overlap) : OVERLAP_MS));
    await endSourceKeys(queries, row.uid, endTime);
    await insertSourceKey(queries, keyOf(catalog, row, { source, secret: made }));
    await updateSourceRow(queries, row.uid, { version: row.version + 1, updateTime: time });
    const isInUrl = kind === "secretUrl";
    return { secret: made.secret, publicId: row.publicId, isInUrl, endTime };
  });
  await refresh();
  return rotated;
}

function newSecret(
  { secret }: RotateSourceKeyRequest,
  make: () => ReturnType<typeof makeSourceSecret>,
  keeps: "hash" | "secret" | undefined,
) {
  if (secret !== "") {
    const description = "can be chosen for signatures alone: leave it empty, and one is made";
    const violations =
      keeps === "secret"
        ? checkSigningSecret("secret", secret)
        : [{ field: "secret", description }];
    if (violations.length > 0) throw failFields(violations);
    return { secret, hint: "" };
  }
  const made = make();
  if (made) return made;
  throw fail("WRONG_STATE", "the source has no key of its own: its authentication needs none");
}
