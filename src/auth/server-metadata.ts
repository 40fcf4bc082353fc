/** The authorization server's metadata (RFC 8414): only what works is listed. */
import { PROOF_ALGORITHMS } from "../core/public-jwk.ts";
import { OPERATION_SCOPES } from "./authorize.ts";

/** The document for an issuer, which is repeated byte for byte. */
export function serverMetadata(issuer: string) {
  const base = issuer.replace(/\/$/, "");
  const methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
  return {
    issuer,
    token_endpoint: `${base}/oauth2/token`,
    introspection_endpoint: `${base}/oauth2/introspect`,
    revocation_endpoint: `${base}/oauth2/revoke`,
    jwks_uri: `${base}/.well-known/jwks.json`,
    // Required by RFC 8414; empty because there is no authorization endpoint.
    response_types_supported: [],
    grant_types_supported: ["client_credentials"],
    scopes_supported: Object.values(OPERATION_SCOPES),
    token_endpoint_auth_methods_supported: methods,
    introspection_endpoint_auth_methods_supported: methods,
    revocation_endpoint_auth_methods_supported: methods,
    token_endpoint_auth_signing_alg_values_supported: PROOF_ALGORITHMS,
    introspection_endpoint_auth_signing_alg_values_supported: PROOF_ALGORITHMS,
    revocation_endpoint_auth_signing_alg_values_supported: PROOF_ALGORITHMS,
    dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
  };
}

/** Where the document of an issuer with a path lies (RFC 8414 section 3.1). */
export function metadataPath(issuerPath = ""): string {
  return `/.well-known/oauth-authorization-server${issuerPath.replace(/\/$/, "")}`;
}
