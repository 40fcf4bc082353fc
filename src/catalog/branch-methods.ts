/** The rpcs of StreamService that manage branches. */
import { create as createMessage } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { type Branch, Branch_State, BranchSchema } from "#gen/tributary/management/v1/stream_pb.js";
import type {
  DeleteBranchRequest,
  ListBranchesRequest,
  StreamService,
} from "#gen/tributary/management/v1/stream_service_pb.js";
import { fail, notFound } from "../core/errors.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import { readLogLosses } from "../db/log-losses.ts";
import { archiveStatus } from "./archive-status.ts";
import { type Catalog, checkEtag } from "./catalog.ts";
import { branchFields, createBranch } from "./create-branch.ts";
import {
  type BranchRow,
  deleteBranch,
  findBranch,
  hasSinks,
  listBranches,
  lockBranch,
} from "./log-store.ts";
import { cursorOf } from "./newest-first.ts";
import { findStream } from "./stream-store.ts";
import { wantCancel } from "./task-store.ts";

type BranchMethods = Pick<
  ServiceImpl<typeof StreamService>,
  "createBranch" | "getBranch" | "listBranches" | "deleteBranch"
>;

/** The methods, to be spread into the service. */
export function createBranchMethods(catalog: Catalog): BranchMethods {
  return {
    createBranch: async (request) => ({ branch: await createBranch(catalog, request) }),
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
async function describe({ logs, database }: Catalog, row: BranchRow): Promise<Branch> {
  const info = await logs.info({ uid: row.uid, shard: row.shard });
  const archive = await archiveStatus(database, row);
  const losses = await database.inProject(row.name, (queries) => readLogLosses(queries, [row.uid]));
  return createMessage(BranchSchema, {
    ...branchFields(row),
    firstSequence: BigInt(info.messages > 0 ? info.firstSequence : 0),
    lastSequence: BigInt(info.lastSequence),
    storedBytes: BigInt(info.bytes),
    ...(archive && { archive }),
    losses: losses.get(row.uid) ?? [],
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
    if (row.state === Branch_State.COPYING) await wantCancel(queries, row.taskName);
    await deleteBranch(queries, row.uid);
    return row;
  });
  await catalog.refresh();
  await catalog.purger.purge([log]);
}
