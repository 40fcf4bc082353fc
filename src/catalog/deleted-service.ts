/** DeletedService: sinks and sources that were deleted. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  DeletedSchema,
  type DeletedService,
  type ListDeletedRequest,
} from "#gen/tributary/management/v1/deleted_service_pb.js";
import { fail, notFound } from "../core/errors.ts";
import { projectOf, streamOf } from "../core/names.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import type { Queries } from "../db/client.ts";
import { type Catalog, checkName, insertNamed } from "./catalog.ts";
import {
  type DeletedRow,
  listDeletedRows,
  lockDeleted,
  purgeDeleted,
  restoreDeleted,
} from "./deleted-store.ts";
import { cursorOf } from "./newest-first.ts";
import { findProject } from "./project-store.ts";
import { lockStream } from "./stream-store.ts";

/** The rpcs of DeletedService. */
export function createDeletedService(catalog: Catalog): ServiceImpl<typeof DeletedService> {
  const { database } = catalog;
  return {
    listDeleted: (request) => list(catalog, request),
    undelete: async ({ name }) => ({ resource: await undelete(catalog, name) }),
    async purgeDeleted({ name }) {
      await database.inProject(name, async (queries) => {
        await purgeDeleted(queries, (await find(queries, name)).uid);
      });
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

async function undelete({ database, refresh, now }: Catalog, name: string): Promise<string> {
  const project = projectOf(name);
  if (!project) throw notFound(name);
  const found = await database.inProject(project, (queries) => find(queries, name));
  await insertNamed({ name: found.name, field: "name" }, () =>
    database.inProject(project, async (queries) => {
      const row = await find(queries, name);
      const stream = streamOf(row.name) ?? "";
      if (!(await lockStream(queries, stream))) {
        throw fail("WRONG_STATE", `${stream}, to which ${row.name} belonged, is gone`);
      }
      await restoreDeleted(queries, row, new Date(now()));
    }),
  );
  await refresh();
  return found.name;
}

async function find(queries: Queries, name: string): Promise<DeletedRow> {
  const [, uid = ""] = /^projects\/[^/]+\/deleted\/([a-z0-9]{1,63})$/.exec(name) ?? [];
  const row = uid === "" ? undefined : await lockDeleted(queries, uid);
  if (!row) throw notFound(name);
  return row;
}
