import fc from "fast-check";
import { expect, test } from "vitest";
import { reasonOf } from "../../src/core/errors.ts";
import { makePage, readPageRequest } from "../../src/core/page-token.ts";

const row = (timeMs: number, uid: string) => ({ timeMs, uid });

test("a token gives back the cursor of the last row, for the same list only", () => {
  fc.assert(
    fc.property(fc.string(), fc.integer(), fc.string(), (list, timeMs, uid) => {
      const first = readPageRequest(list, { pageSize: 1, pageToken: "" });
      const { rows, nextPageToken } = makePage(first, [row(timeMs, uid), row(0, "")], (r) => r);
      expect(rows).toEqual([row(timeMs, uid)]);
      const second = readPageRequest(list, { pageSize: 9, pageToken: nextPageToken });
      expect(second.after).toEqual(row(timeMs, uid));
      expect(() =>
        readPageRequest(`${list}x`, { pageSize: 1, pageToken: nextPageToken }),
      ).toThrowError();
    }),
  );
});

test("no text but a token is taken, and none crashes", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ minLength: 1 }), fc.json(), fc.base64String()), (text) => {
      fc.pre(text !== "");
      for (const pageToken of [text, Buffer.from(text).toString("base64url")]) {
        if (pageToken === "") continue;
        try {
          readPageRequest("list", { pageSize: 1, pageToken });
          expect.unreachable();
        } catch (error) {
          expect(reasonOf(error)).toBe("PAGE_TOKEN_INVALID");
        }
      }
    }),
  );
});

test("the size of a page is 50 by default and 1,000 at most", () => {
  const sizeOf = (pageSize: number) => readPageRequest("", { pageSize, pageToken: "" }).size;
  expect([0, 1, 1_000, 5_000].map(sizeOf)).toEqual([50, 1, 1_000, 1_000]);
});
