/** The cookie that holds a person's session. */

/** Reads and writes the cookie. */
export interface SessionCookie {
  readonly name: string;
  /** The session of a Cookie header; undefined when there is none, or more than one. */
  read(header: string | null): string | undefined;
  /** A Set-Cookie value that keeps the session in the browser until it ends. */
  issue(session: string, maxAgeSeconds: number): string;
  /** A Set-Cookie value that removes it. */
  clear(): string;
}

/**
 * Browsers take a cookie with the prefix `__Host-` only over https, with Secure and Path=/ and without
 * Domain, so no other host or plain connection can plant one. On plain http, which is for loopback
 * only, browsers would drop such a cookie: there it has neither the prefix nor Secure.
 */
export function createSessionCookie({ isSecure }: { readonly isSecure: boolean }): SessionCookie {
  const name = isSecure ? "__Host-tributary" : "tributary";
  const attributes = `Path=/; HttpOnly; SameSite=Lax${isSecure ? "; Secure" : ""}`;
  return {
    name,
    read(header) {
      if (header === null) return undefined;
      const values = header
        .split(";")
        .map((pair) => pair.trim())
        .filter((pair) => pair.startsWith(`${name}=`))
        .map((pair) => pair.slice(name.length + 1));
      return values.length === 1 && values[0] !== "" ? values[0] : undefined;
    },
    issue: (session, maxAgeSeconds) =>
      `${name}=${session}; Max-Age=${maxAgeSeconds}; ${attributes}`,
    clear: () => `${name}=; Max-Age=0; ${attributes}`,
  };
}
