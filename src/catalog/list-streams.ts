/** ListStreams, with those that were deleted and can be brought back. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type {
  ListStreamsRequest,
  ListStreamsResponseSchema,
} from "#gen/tributary/management/v1/stream_service_pb.js";
import { notFound } from "../core/errors.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import type { Catalog } from "./catalog.ts";
import { cursorOf } from "./newest-first.ts";
import { findProject } from "./project-store.ts";
import { listDeletedStreams, listStreams as listRows, streamFromRow } from "./stream-store.ts";

/** A page of the streams of a project, newest first; deleted ones among them when they are asked for. */
export async function listStreams(
  { database }: Catalog,
  request: ListStreamsRequest,
): Promise<MessageInitShape<typeof ListStreamsResponseSchema>> {
  const { parent, showDeleted } = request;
  const what = `streams of ${parent}${showDeleted ? " and deleted ones" : ""}`;
  const page = readPageRequest(what, request);
  const rows = await database.inProject(parent, async (queries) => {
    const project = await findProject(queries, parent);
    if (!project) throw notFound(parent);
    const there = (await listRows(queries, project.uid, page)).map((row) => ({ row }));
    const gone = showDeleted ? await listDeletedStreams(queries, project.uid, page) : [];
    return [...there, ...gone]
      .toSorted(({ row: a }, { row: b }) => {
        const later = b.createTime.getTime() - a.createTime.getTime();
        return later === 0 ? (a.uid < b.uid ? 1 : -1) : later;
      })
      .slice(0, page.size + 1);
  });
  const { rows: shown, nextPageToken } = makePage(page, rows, ({ row }) => cursorOf(row));
  const streams = shown.map((each) => {
    const stream = streamFromRow(each.row);
    if ("deleteTime" in each) {
      stream.deleteTime = timestampFromDate(each.deleteTime);
      stream.purgeTime = timestampFromDate(each.purgeTime);
    }
    return stream;
  });
  return { streams, nextPageToken };
}
