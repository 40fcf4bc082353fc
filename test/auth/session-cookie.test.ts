import { describe, expect, test } from "vitest";
import { checkCsrf, csrfTokenOf } from "../../src/auth/csrf.ts";
import { createSessionCookie } from "../../src/auth/session-cookie.ts";
import { reasonOf } from "../../src/core/errors.ts";

describe("check 35: the session cookie", () => {
  test("over https it has the prefix __Host- and all that goes with it", () => {
    const cookie = createSessionCookie({ isSecure: true });
    expect(cookie.issue("abc", 60)).toBe(
      "__Host-tributary=abc; Max-Age=60; Path=/; HttpOnly; SameSite=Lax; Secure",
    );
    expect(cookie.clear()).toMatch(/^__Host-tributary=; Max-Age=0; .*; Secure$/);
    expect(cookie.read("tributary=abc")).toBeUndefined();
  });

  test("it is read among others, and not when it is there twice", () => {
    const cookie = createSessionCookie({ isSecure: false });
    expect(cookie.read("a=1; tributary=abc=; b=2")).toBe("abc=");
    for (const header of [null, "", "tributary=", "xtributary=a", "tributary=a; tributary=b"]) {
      expect(cookie.read(header)).toBeUndefined();
    }
  });

  test("a CSRF token is of one session", () => {
    const refusal = (headers: Record<string, string>) => {
      try {
        return checkCsrf(new Headers(headers), "session");
      } catch (error) {
        return reasonOf(error);
      }
    };
    const good = csrfTokenOf("session");
    expect(refusal({ "x-csrf-token": good })).toBeUndefined();
    expect(refusal({ "x-csrf-token": good, "sec-fetch-site": "same-origin" })).toBeUndefined();
    expect(refusal({})).toBe("CSRF_REFUSED");
    expect(refusal({ "x-csrf-token": csrfTokenOf("other") })).toBe("CSRF_REFUSED");
    expect(refusal({ "x-csrf-token": good, "sec-fetch-site": "same-site" })).toBe("CSRF_REFUSED");
  });
});
