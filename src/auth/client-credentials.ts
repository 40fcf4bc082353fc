/** How a client says who it is at the token, introspection and revocation endpoints. */
import { ASSERTION_TYPE, clientOfAssertion } from "./client-assertion.ts";
import { OAuthError } from "./oauth-error.ts";

/** What a client sent, not yet checked. */
export type ClientCredentials =
  | { readonly kind: "secret"; readonly clientId: string; readonly clientSecret: string }
  | { readonly kind: "assertion"; readonly clientId: string; readonly assertion: string };

/** Where a client may have put its credentials. */
export interface CredentialSources {
  /** Values of all Authorization headers. */
  readonly authorization: readonly string[];
  /** From the body; undefined or empty when absent. */
  readonly clientId?: string | undefined;
  readonly clientSecret?: string | undefined;
  /** A signed JWT in place of a secret (RFC 7523), and what it is. */
  readonly clientAssertion?: string | undefined;
  readonly clientAssertionType?: string | undefined;
}

/**
 * Takes the credentials from the Basic header, the body (RFC 6749 section 2.3.1) or an assertion
 * (RFC 7523 section 2.2), never from two of them.
 * Fails with OAuthError: invalid_request for two methods, invalid_client for none or malformed ones.
 */
export function readClientCredentials(sources: CredentialSources): ClientCredentials {
  const { authorization, clientId, clientSecret } = sources;
  if (authorization.length > 1) {
    throw new OAuthError("invalid_request", "more than one Authorization header");
  }
  if (sources.clientAssertion || sources.clientAssertionType) return readAssertion(sources);
  if (authorization[0] === undefined) {
    if (!clientId) throw new OAuthError("invalid_client", "no client credentials");
    return { kind: "secret", clientId, clientSecret: clientSecret ?? "" };
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

/** `client_id` may stand beside an assertion, and must then be its subject (RFC 7521 section 4.2). */
function readAssertion(sources: CredentialSources): ClientCredentials {
  const { authorization, clientSecret, clientAssertion, clientAssertionType } = sources;
  if (authorization.length > 0 || clientSecret) {
    throw new OAuthError("invalid_request", "more than one way of authentication");
  }
  if (!clientAssertion || clientAssertionType !== ASSERTION_TYPE) {
    const description = `send client_assertion with the client_assertion_type ${ASSERTION_TYPE}`;
    throw new OAuthError("invalid_client", description, { parameter: "client_assertion_type" });
  }
  const clientId = clientOfAssertion(clientAssertion);
  if (sources.clientId && sources.clientId !== clientId) {
    throw new OAuthError("invalid_request", "client_id differs from the client assertion");
  }
  return { kind: "assertion", clientId, assertion: clientAssertion };
}

/** Id and secret are form-encoded before they are joined and base64-encoded. */
function parseBasic(header: string) {
  const encoded = /^basic +([a-z0-9+/]+={0,2}) *$/i.exec(header)?.[1];
  if (!encoded) throw new OAuthError("invalid_client", "the Authorization header is not Basic");
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(encoded, "base64"));
    const colon = text.indexOf(":");
    if (colon < 0) throw new Error("no colon");
    return {
      kind: "secret" as const,
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
