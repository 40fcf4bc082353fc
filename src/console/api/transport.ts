/** How the console calls the server: the public rpcs of its own origin, with the session's cookie. */
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { reportReach } from "./reach.ts";

let csrfToken = "";

/** Keeps the token that every changing call needs beside the cookie. In memory only. */
export function keepCsrfToken(token: string): void {
  csrfToken = token;
}

/** The header that changing calls need, for those that are not made by a generated client. */
export function csrfHeader(): { [name: string]: string } {
  return csrfToken === "" ? {} : { "x-csrf-token": csrfToken };
}

const addCsrfToken: Interceptor = (next) => (request) => {
  if (csrfToken !== "") request.header.set("x-csrf-token", csrfToken);
  return next(request);
};

/** Tells whether the server could be reached, for the banner. */
const watchReach: Interceptor = (next) => async (request) => {
  try {
    const answer = await next(request);
    reportReach(true);
    return answer;
  } catch (error) {
    reportReach(!isUnreachable(error));
    throw error;
  }
};

/** Whether an error means that nobody answered, so the same call may work in a moment. */
export function isUnreachable(error: unknown): boolean {
  const { code, cause } = ConnectError.from(error);
  return code === Code.Unavailable || (code === Code.Unknown && cause instanceof TypeError);
}

/** Binary messages carry records byte for byte, so no digit of a number is lost on the way. */
export const transport = createConnectTransport({
  baseUrl: location.origin,
  useBinaryFormat: true,
  interceptors: [watchReach, addCsrfToken],
  fetch: (input, init) => fetch(input, { ...init, credentials: "same-origin" }),
});
