/**
 * What must be remembered between leaving for the provider and coming back, kept in a cookie that only
 * this installation can read: any node can go on, and the server holds nothing for people who never
 * return.
 */
import { type MasterKey, openSecret, sealSecret } from "../core/envelope.ts";

/** One sign-in under way. */
export interface OidcFlow {
  readonly state: string;
  readonly nonce: string;
  /** PKCE (RFC 7636). */
  readonly codeVerifier: string;
  /** Path of ours where the person goes afterwards. */
  readonly returnTo: string;
  /** What the first person of the installation was told to give; left out by all others. */
  readonly setupToken?: string;
  /** Milliseconds since 1970. */
  readonly endMs: number;
}

/** How long a sign-in may take, in seconds. */
export const FLOW_SECONDS = 600;

const CONTEXT = "oidc sign-in";

/** Reads and writes the cookie. */
export interface OidcFlowCookie {
  /** The flow of a Cookie header; undefined when there is none, or it is not ours or ended. */
  read(header: string | undefined): OidcFlow | undefined;
  issue(flow: OidcFlow): string;
  clear(): string;
}

/** The prefix `__Host-` is for https only: over plain http browsers would drop such a cookie. */
export function createOidcFlowCookie(options: {
  readonly masterKey: MasterKey;
  readonly isSecure: boolean;
  readonly now: () => number;
}): OidcFlowCookie {
  const { masterKey, isSecure, now } = options;
  const name = isSecure ? "__Host-tributary-oidc" : "tributary-oidc";
  const attributes = `Path=/; HttpOnly; SameSite=Lax${isSecure ? "; Secure" : ""}`;
  return {
    read(header = "") {
      const pairs = header.split(";").map((pair) => pair.trim());
      const values = pairs.filter((pair) => pair.startsWith(`${name}=`));
      const [value] = values;
      if (values.length !== 1 || value === undefined) return undefined;
      try {
        const sealed = Buffer.from(value.slice(name.length + 1), "base64url");
        const flow = JSON.parse(openSecret(masterKey, sealed, CONTEXT).toString()) as OidcFlow;
        return flow.endMs > now() ? flow : undefined;
      } catch {
        return undefined;
      }
    },
    issue(flow) {
      const sealed = sealSecret(masterKey, Buffer.from(JSON.stringify(flow)), CONTEXT);
      return `${name}=${sealed.toString("base64url")}; Max-Age=${FLOW_SECONDS}; ${attributes}`;
    },
    clear: () => `${name}=; Max-Age=0; ${attributes}`,
  };
}

/** A path of ours, with query and fragment; anything that could lead elsewhere becomes `/`. */
export function safeReturnTo(text: string | null): string {
  const isPath = text !== null && /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,1000}$/.test(text);
  return isPath ? text : "/";
}
