/** The rpcs of StreamService that manage branches. */
import { create as createMessage } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { type Branch, BranchSchema } from "#gen/tributary/management/v1/stream_pb.js";
import type {
  CreateBranchRequest,
  DeleteBranchRequest,
  ListBranchesRequest,
  StreamService,
} from "#gen/tributary/management/v1/stream_service_pb.js";
import { fail, notFound } from "../core/errors.ts";
import { formatName, parseName } from "../core/names.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import { type Catalog, checkEtag, checkName, chooseId, insertNamed } from "./catalog.ts";
import {
  type BranchRow,
  chooseShard,
  deleteBranch,
  findBranch,
  hasSinks,
  insertBranch,
  listBranches,
  lockBranch,
} from "./log-store.ts";
import { cursorOf } from "./newest-first.ts";
import { findStream, lockStream } from "./stream-store.ts";

type BranchMethods = Pick<
  ServiceImpl<typeof StreamService>,
  "createBranch" | "getBranch" | "listBranches" | "deleteBranch"
>;

/** The methods, to be spread into the service. */
export function createBranchMethods(catalog: Catalog): BranchMethods {
  return {
    createBranch: async (request) => ({ branch: await create(catalog, request) }),
    async getBranch({ name }) {
      const row = await catalog.database.inProject(name, (queries) => findBranch(queries, name));
      if (!row) throw notFound(name);
      return { branch: await describe(catalog, row) };
    },
    listBranches: (request) => list(catalog, request),
    async deleteBranch(request) {
      await remove(catalog, request);
      return {};
    },
  };
}

/** The branch as callers see it, with what its log holds now. */
async function describe({ logs }: Catalog, row: BranchRow): Promise<Branch> {
  const info = await logs.info({ uid: row.uid, shard: row.shard });
  return createMessage(BranchSchema, {
    name: row.name,
    uid: row.uid,
    createTime: timestampFromDate(row.createTime),
    firstSequence: BigInt(info.messages > 0 ? info.firstSequence : 0),
    lastSequence: BigInt(info.lastSequence),
    storedBytes: BigInt(info.bytes),
  });
}

async function create(catalog: Catalog, request: CreateBranchRequest): Promise<Branch> {
  const { parent, branchId } = request;
  const [project = "", stream = ""] = parseName(checkName(parent, "stream"), "stream") ?? [];
  const id = chooseId("branch_id", branchId, "");
  const name = formatName("branch", project, stream, id);
  const { database, shards } = catalog;
  const shard = await database.acrossProjects((queries) => chooseShard(queries, shards));
  const row = await insertNamed({ name, field: "branch_id" }, () =>
    database.inProject(name, async (queries) => {
      // Locked, so that a change of generation seals this log or comes after it.
      const parentRow = await lockStream(queries, parent);
      if (!parentRow) throw notFound(parent);
      const made = {
        uid: catalog.makeUid(),
        projectUid: parentRow.projectUid,
        streamUid: parentRow.uid,
        name,
        branchId: id,
        shard,
        createTime: new Date(catalog.now()),
      };
      await insertBranch(queries, made);
      return made;
    }),
  );
  await catalog.refresh();
  return createMessage(BranchSchema, {
    name: row.name,
    uid: row.uid,
    createTime: timestampFromDate(row.createTime),
  });
}

async function list(catalog: Catalog, request: ListBranchesRequest) {
  const page = readPageRequest(`branches of ${request.parent}`, request);
  const rows = await catalog.database.inProject(request.parent, async (queries) => {
    const parent = await findStream(queries, request.parent);
    if (!parent) throw notFound(request.parent);
    return await listBranches(queries, parent.uid, page);
  });
  const { rows: shown, nextPageToken } = makePage(page, rows, cursorOf);
  const branches: Branch[] = [];
  for (const row of shown) branches.push(await describe(catalog, row));
  return { branches, nextPageToken };
}

async function remove(catalog: Catalog, { name, etag }: DeleteBranchRequest): Promise<void> {
  const log = await catalog.database.inProject(name, async (queries) => {
    const row = await lockBranch(queries, name);
    if (!row) throw notFound(name);
    // A branch never changes, so it has one etag.
    checkEtag(etag, { ...row, version: 1 });
    if (row.branchId === "main") throw fail("WRONG_STATE", "the branch main stays with its stream");
    if (await hasSinks(queries, row.uid)) {
      throw fail("WRONG_STATE", `a sink delivers ${name}; delete that sink first`);
    }
    await catalog.purger.note(queries, [row]);
    await deleteBranch(queries, row.uid);
    return row;
  });
  await catalog.refresh();
  await catalog.purger.purge([log]);
}
