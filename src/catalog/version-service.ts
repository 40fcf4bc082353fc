/** VersionService: what streams, sources and sinks were. */
import type { ServiceImpl } from "@connectrpc/connect";
import { DefinitionVersion_Action } from "#gen/tributary/management/v1/version_pb.js";
import type {
  CompareVersionsRequest,
  ListVersionsRequest,
  VersionService,
} from "#gen/tributary/management/v1/version_service_pb.js";
import { fail, notFound } from "../core/errors.ts";
import { jsonDifferences } from "../core/json-difference.ts";
import { parseName } from "../core/names.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import { restoreVersion } from "./restore-version.ts";
import type { SinkCatalog } from "./sink-catalog.ts";
import type { SourceCatalog } from "./source-catalog.ts";
import {
  findVersioned,
  findVersionRow,
  listVersionRows,
  type VersionRow,
} from "./version-store.ts";
import { versionJson, viewVersion } from "./version-view.ts";

/** What the service works with. */
export type VersionCatalog = SinkCatalog & SourceCatalog;

/** The rpcs of VersionService. */
export function createVersionService(catalog: VersionCatalog): ServiceImpl<typeof VersionService> {
  return {
    listVersions: (request) => list(catalog, request),
    getVersion: async ({ name }) => ({ version: viewVersion(await find(catalog, name), catalog) }),
    compareVersions: async (request) => ({ changes: await compare(catalog, request) }),
    async restoreVersion({ name }, context) {
      const row = await find(catalog, name);
      if (row.action === DefinitionVersion_Action.DELETE) {
        throw fail("WRONG_STATE", "this version is the deletion; restore an earlier one");
      }
      const secret = await restoreVersion(catalog, row, context.signal);
      const newest = await load(catalog, row.name, 0);
      return { version: viewVersion(newest, catalog), secret };
    },
  };
}

/** A name that can have versions. */
function checkParent(name: string): string {
  const isVersioned = (["stream", "sink", "source"] as const).some((shape) =>
    parseName(name, shape),
  );
  if (!isVersioned) throw notFound(name);
  return name;
}

async function list(catalog: VersionCatalog, request: ListVersionsRequest) {
  const parent = checkParent(request.parent);
  const page = readPageRequest(`versions of ${parent}`, request);
  const rows = await catalog.database.inProject(parent, async (queries) => {
    const uid = await findVersioned(queries, parent);
    if (uid === undefined) throw notFound(parent);
    const below = page.after ? Number(page.after.uid) : undefined;
    return await listVersionRows(queries, uid, { below, limit: page.size + 1 });
  });
  const { rows: shown, nextPageToken } = makePage(page, rows, ({ createTime, number }) => ({
    timeMs: createTime.getTime(),
    uid: String(number),
  }));
  return { versions: shown.map((row) => viewVersion(row, catalog)), nextPageToken };
}

async function find(catalog: VersionCatalog, name: string): Promise<VersionRow> {
  const [, parent = "", number = ""] = /^(.+)\/versions\/([1-9]\d{0,8})$/.exec(name) ?? [];
  if (parent === "") throw notFound(name);
  return await load(catalog, checkParent(parent), Number(number));
}

/** A version by its number, or the newest for 0. */
async function load({ database }: VersionCatalog, name: string, number: number) {
  const row = await database.inProject(name, async (queries) => {
    const uid = await findVersioned(queries, name);
    return uid === undefined ? undefined : await findVersionRow(queries, uid, number);
  });
  if (!row) throw notFound(number === 0 ? name : `${name}/versions/${number}`);
  return row;
}

async function compare(catalog: VersionCatalog, request: CompareVersionsRequest) {
  const parent = checkParent(request.parent);
  const before = await load(catalog, parent, Number(request.from));
  const after = await load(catalog, parent, Number(request.to));
  const json = (row: VersionRow) => versionJson(viewVersion(row, catalog));
  const text = (value: unknown) => (value === undefined ? "" : JSON.stringify(value));
  return jsonDifferences(json(before), json(after)).map((change) => ({
    path: change.path,
    before: text(change.before),
    after: text(change.after),
  }));
}
