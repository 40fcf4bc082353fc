/** How a client says who it is at the token, introspection and revocation endpoints. */
import { OAuthError } from "./oauth-error.ts";

/** What a client sent, not yet checked. */
export interface ClientCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** Where a client may have put its credentials. */
export interface CredentialSources {
  /** Values of all Authorization headers. */
  readonly authorization: readonly string[];
  /** From the body; undefined or empty when absent. */
  readonly clientId?: string | undefined;
  readonly clientSecret?: string | undefined;
}

/**
 * Takes the credentials from the Basic header or the body (RFC 6749 section 2.3.1), never from both.
 * Fails with OAuthError: invalid_request for two methods, invalid_client for none or malformed ones.
 */
export function readClientCredentials(sources: CredentialSources): ClientCredentials {
  const { authorization, clientId, clientSecret } = sources;
  if (authorization.length > 1) {
    throw new OAuthError("invalid_request", "more than one Authorization header");
  }
  if (authorization[0] === undefined) {
    if (!clientId) throw new OAuthError("invalid_client", "no client credentials");
    return { clientId, clientSecret: clientSecret ?? "" };
  }
  const basic = parseBasic(authorization[0]);
  if (clientSecret) {
    throw new OAuthError("invalid_request", "client credentials in the header and in the body");
  }
  if (clientId && clientId !== basic.clientId) {
    throw new OAuthError("invalid_request", "client_id differs from the Authorization header");
  }
  return basic;
}

/** Id and secret are form-encoded before they are joined and base64-encoded. */
function parseBasic(header: string): ClientCredentials {
  const encoded = /^basic +([a-z0-9+/]+={0,2}) *$/i.exec(header)?.[1];
  if (!encoded) throw new OAuthError("invalid_client", "the Authorization header is not Basic");
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(encoded, "base64"));
    const colon = text.indexOf(":");
    if (colon < 0) throw new Error("no colon");
    return {
      clientId: decodeForm(text.slice(0, colon)),
      clientSecret: decodeForm(text.slice(colon + 1)),
    };
  } catch (cause) {
    throw new OAuthError("invalid_client", "the Basic credentials are malformed", { cause });
  }
}

function decodeForm(text: string): string {
  return decodeURIComponent(text.replaceAll("+", " "));
}
