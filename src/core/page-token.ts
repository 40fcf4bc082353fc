/** Page tokens: where a list goes on, tied to the request they came from. */
import { createHash } from "node:crypto";
import { fail } from "./errors.ts";

/** The last row of a page of a list by (create time, uid). */
export interface PageCursor {
  /** Create time of the row, in ms since 1970. */
  readonly timeMs: number;
  readonly uid: string;
}

/** What a list request asks for, and the cursor that its token holds. */
export interface PageRequest {
  /** 1 to 1,000. */
  readonly size: number;
  /** Undefined on the first page. */
  readonly after: PageCursor | undefined;
  /** Names the list: rpc and parent. A token of another list is refused. */
  readonly list: string;
}

const SIZE_DEFAULT = 50;
const SIZE_MAX = 1_000;

/** Reads the page fields of a list request. Fails with PAGE_TOKEN_INVALID. */
export function readPageRequest(
  list: string,
  request: { readonly pageSize: number; readonly pageToken: string },
): PageRequest {
  const size = request.pageSize > 0 ? Math.min(request.pageSize, SIZE_MAX) : SIZE_DEFAULT;
  const after = request.pageToken === "" ? undefined : decode(list, request.pageToken);
  return { size, after, list };
}

/**
 * A page from rows that were read with the limit `size + 1`: the row beyond the page says that there
 * is a next one.
 */
export function makePage<T>(
  page: PageRequest,
  rows: readonly T[],
  cursorOf: (row: T) => PageCursor,
): { readonly rows: readonly T[]; readonly nextPageToken: string } {
  const last = rows.length > page.size ? rows[page.size - 1] : undefined;
  if (!last) return { rows, nextPageToken: "" };
  return { rows: rows.slice(0, page.size), nextPageToken: encode(page.list, cursorOf(last)) };
}

function encode(list: string, { timeMs, uid }: PageCursor): string {
  return Buffer.from(JSON.stringify([1, digest(list), timeMs, uid])).toString("base64url");
}

function decode(list: string, token: string): PageCursor {
  const parts = parse(Buffer.from(token, "base64url").toString());
  if (Array.isArray(parts) && parts.length === 4 && parts[0] === 1) {
    const [, owner, timeMs, uid] = parts as unknown[];
    const isWhole = Number.isSafeInteger(timeMs) && typeof uid === "string";
    // Beyond this, a time is no Date, and Postgres would refuse it.
    if (isWhole && owner === digest(list) && Math.abs(timeMs as number) <= 8.64e15) {
      return { timeMs: timeMs as number, uid };
    }
  }
  throw fail("PAGE_TOKEN_INVALID", "page_token is not from the previous answer to this request", {
    violations: [{ field: "page_token", description: "give the token of the previous answer" }],
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function digest(list: string): string {
  return createHash("sha256").update(list).digest("base64url").slice(0, 12);
}
