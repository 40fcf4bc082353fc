/**
 * Keeps other sites from using a person's cookie. Browsers send the cookie along with calls that a
 * foreign page makes them send, so a call that changes something must show that it comes from a page
 * of ours: by Sec-Fetch-Site, and by a token that only such a page can read.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { fail } from "../core/errors.ts";

/** The token that goes with a session: made from it, so nothing is stored, and one is no other's. */
export function csrfTokenOf(session: string): string {
  return createHmac("sha256", session).update("tributary csrf").digest("base64url");
}

/** Fails with CSRF_REFUSED unless a call with the session comes from a page of ours. */
export function checkCsrf(headers: Pick<Headers, "get">, session: string): void {
  checkFetchSite(headers);
  const given = Buffer.from(headers.get("x-csrf-token") ?? "");
  const wanted = Buffer.from(csrfTokenOf(session));
  if (given.length === wanted.length && timingSafeEqual(given, wanted)) return;
  throw fail(
    "CSRF_REFUSED",
    "a call with a session cookie that changes something needs the header X-CSRF-Token with the csrf_token of GetMe",
  );
}

/** Fails with CSRF_REFUSED for a call that a browser says comes from another site's page. */
export function checkFetchSite(headers: Pick<Headers, "get">): void {
  const site = headers.get("sec-fetch-site");
  if (site === null || site === "same-origin") return;
  throw fail(
    "CSRF_REFUSED",
    `calls from pages of other sites are refused (Sec-Fetch-Site: ${site.slice(0, 16)})`,
  );
}
