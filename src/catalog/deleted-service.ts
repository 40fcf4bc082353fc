/** DeletedService: streams, sinks and sources that were deleted. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  DeletedSchema,
  type DeletedService,
  type ListDeletedRequest,
} from "#gen/tributary/management/v1/deleted_service_pb.js";
import { notFound } from "../core/errors.ts";
import { projectOf } from "../core/names.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import type { Queries } from "../db/client.ts";
import { bringBack } from "./bring-back.ts";
import { type Catalog, checkName } from "./catalog.ts";
import { type DeletedRow, listDeletedRows, lockDeleted, purgeDeleted } from "./deleted-store.ts";
import { cursorOf } from "./newest-first.ts";
import { findProject } from "./project-store.ts";

/** The rpcs of DeletedService. */
export function createDeletedService(catalog: Catalog): ServiceImpl<typeof DeletedService> {
  const { database } = catalog;
  return {
    listDeleted: (request) => list(catalog, request),
    undelete: async ({ name }) => ({ resource: await undelete(catalog, name) }),
    async purgeDeleted({ name }) {
      const logs = await database.inProject(name, async (queries) => {
        const gone = await purgeDeleted(queries, (await find(queries, name)).uid);
        await catalog.purger.note(queries, gone);
        return gone;
      });
      await catalog.purger.purge(logs);
      return {};
    },
  };
}

async function list({ database }: Catalog, request: ListDeletedRequest) {
  const parent = checkName(request.parent, "project");
  const page = readPageRequest(`deleted of ${parent}`, request);
  const rows = await database.inProject(parent, async (queries) => {
    const project = await findProject(queries, parent);
    if (!project) throw notFound(parent);
    return await listDeletedRows(queries, project.uid, page);
  });
  const { rows: shown, nextPageToken } = makePage(page, rows, cursorOf);
  const deleted = shown.map((row) =>
    create(DeletedSchema, {
      name: `${parent}/deleted/${row.uid}`,
      resource: row.name,
      author: row.author,
      deleteTime: timestampFromDate(row.createTime),
      purgeTime: timestampFromDate(row.purgeTime),
    }),
  );
  return { deleted, nextPageToken };
}

async function undelete(catalog: Catalog, name: string): Promise<string> {
  const project = projectOf(name);
  if (!project) throw notFound(name);
  const found = await catalog.database.inProject(project, (queries) => find(queries, name));
  await bringBack(catalog, found.name, (queries) => find(queries, name));
  return found.name;
}

async function find(queries: Queries, name: string): Promise<DeletedRow> {
  const [, uid = ""] = /^projects\/[^/]+\/deleted\/([a-z0-9]{1,63})$/.exec(name) ?? [];
  const row = uid === "" ? undefined : await lockDeleted(queries, uid);
  if (!row) throw notFound(name);
  return row;
}
