/** Page tokens of ListRecords: the next place, tied to the request that it goes on with. */
import { createHash } from "node:crypto";
import { clone, toBinary } from "@bufbuild/protobuf";
import {
  type ListRecordsRequest,
  ListRecordsRequestSchema,
} from "#gen/tributary/records/v1/record_service_pb.js";
import { fail } from "../core/errors.ts";

/** Where the next page begins. */
export interface PageStart {
  readonly sequence: number;
  readonly index: number;
  /** Newest sequence that a resolved view looks at; 0 for other lists. */
  readonly until?: number;
}

/** Makes the token for the page that begins at a place. */
export function sealPageToken(request: ListRecordsRequest, start: PageStart): string {
  const text = `${fingerprint(request)}.${start.sequence}.${start.index}.${start.until ?? 0}`;
  return Buffer.from(text).toString("base64url");
}

/** Reads the token of a request. PAGE_TOKEN_INVALID when it is garbled or from another request. */
export function openPageToken(request: ListRecordsRequest): PageStart {
  const text = Buffer.from(request.pageToken, "base64url").toString();
  const parts = /^([\w-]{22})\.(\d{1,15})\.(\d{1,9})\.(\d{1,15})$/.exec(text);
  if (!parts) {
    throw fail(
      "PAGE_TOKEN_INVALID",
      "page_token: not a token of ListRecords; leave it empty to begin",
    );
  }
  if (parts[1] !== fingerprint(request)) {
    throw fail(
      "PAGE_TOKEN_INVALID",
      "page_token: belongs to a request with other fields; repeat that request or leave it empty",
    );
  }
  return { sequence: Number(parts[2]), index: Number(parts[3]), until: Number(parts[4]) };
}

/** Hash of what must stay the same from page to page: all but the page's size and token. */
function fingerprint(request: ListRecordsRequest): string {
  const fixed = clone(ListRecordsRequestSchema, request);
  fixed.pageToken = "";
  fixed.pageSize = 0;
  const bytes = toBinary(ListRecordsRequestSchema, fixed);
  return createHash("sha256").update(bytes).digest("base64url").slice(0, 22);
}
