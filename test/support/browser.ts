/** A person in a browser, as far as cookies and the CSRF token go. */
import { ApiError, type ErrorBody } from "./api.ts";
import { noteSecret, noteSecrets } from "./secret-watch.ts";

/** What a browser keeps and sends. */
export interface Browser {
  readonly url: string;
  /** Cookie header; empty when signed out. */
  cookie: string;
  csrfToken: string;
  /** POSTs a call in Connect's JSON form, such as `AccountService/GetMe`; throws an ApiError. */
  call<T = Record<string, unknown>>(method: string, request?: unknown): Promise<T>;
  /** The same, as it came. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** The same session on another node. */
  on(url: string): Browser;
}

/** A browser that is signed out. */
export function createBrowser(url: string, headers: Record<string, string> = {}): Browser {
  const browser: Browser = {
    url,
    cookie: "",
    csrfToken: "",
    async fetch(path, init = {}) {
      const answer = await fetch(`${browser.url}${path}`, {
        ...init,
        headers: {
          "content-type": "application/json",
          ...headers,
          ...(browser.cookie && { cookie: browser.cookie }),
          ...(browser.csrfToken && { "x-csrf-token": browser.csrfToken }),
          ...init.headers,
        },
        signal: AbortSignal.timeout(20_000),
      });
      const set = answer.headers.getSetCookie()[0];
      if (set !== undefined) {
        const [pair = ""] = set.split(";", 1);
        browser.cookie = pair.endsWith("=") ? "" : pair;
        noteSecret(browser.cookie.slice(browser.cookie.indexOf("=") + 1));
      }
      return answer;
    },
    async call<T>(method: string, request: unknown = {}) {
      const path = `/tributary.management.v1.${method}`;
      const answer = await browser.fetch(path, { method: "POST", body: JSON.stringify(request) });
      const body = (await answer.json()) as T & ErrorBody & { csrfToken?: string };
      noteSecrets(request);
      noteSecrets(body);
      if (!answer.ok) throw new ApiError(method, answer.status, body);
      if (body.csrfToken) browser.csrfToken = body.csrfToken;
      return body;
    },
    on(other) {
      const copy = createBrowser(other, headers);
      return Object.assign(copy, { cookie: browser.cookie, csrfToken: browser.csrfToken });
    },
  };
  return browser;
}

/** The reason of a call's refusal; fails when it was not refused. */
export async function refusalOf(call: Promise<unknown>): Promise<string> {
  return await call.then(
    () => {
      throw new Error("the call was not refused");
    },
    (error: unknown) => {
      if (error instanceof ApiError) return error.reason;
      throw error;
    },
  );
}
