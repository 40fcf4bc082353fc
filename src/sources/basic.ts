/** User name and password (RFC 7617). */
import { createHash, timingSafeEqual } from "node:crypto";
import type { BasicAuthentication } from "#gen/tributary/management/v1/source_pb.js";
import { fail } from "../core/errors.ts";
import type { AuthenticationType } from "./source.ts";
import { findKey } from "./source-key.ts";

const digestOf = (text: string) => createHash("sha256").update(text).digest();

/** The kind `basic`. */
export const basic: AuthenticationType<BasicAuthentication> = {
  keeps: "hash",
  check: ({ username }) =>
    /[:\p{Cc}]/u.test(username)
      ? [{ field: "username", description: "may hold no colon and no control character" }]
      : [],
  open({ username }, { keys }) {
    const wanted = digestOf(username);
    return {
      credentialHeaders: ["authorization"],
      admit({ headers, nowMs }) {
        const pair = readPair(headers.authorization);
        // Both are looked at, so that a wrong name takes as long as a wrong password.
        const isName = timingSafeEqual(digestOf(pair?.username ?? ""), wanted);
        const keyUid = findKey(keys, pair?.password ?? "", nowMs);
        if (!pair || !isName || !keyUid) throw refuse();
        return { keyUid };
      },
    };
  },
};

function readPair(header: string | undefined) {
  const encoded = /^basic +([a-z0-9+/]+={0,2}) *$/i.exec(header ?? "")?.[1];
  if (!encoded) return undefined;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 0) return undefined;
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

function refuse() {
  return fail("KEY_INVALID", "the user name and password are missing or wrong", {
    headers: { "WWW-Authenticate": 'Basic realm="tributary", charset="UTF-8"' },
  });
}
