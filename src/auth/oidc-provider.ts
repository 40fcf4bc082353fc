/**
 * An external provider of OpenID Connect: authorization code with PKCE, state and nonce, by
 * oauth4webapi, which follows the RFCs' checks (issuer, audience, times, signature).
 */
import * as oauth from "oauth4webapi";
import type { OidcFlow } from "./oidc-flow.ts";

/** Who the provider says a person is. */
export interface ExternalIdentity {
  readonly issuer: string;
  /** Never given to another person by this issuer. */
  readonly subject: string;
  /** Empty when the provider says none. */
  readonly email: string;
  readonly isEmailVerified: boolean;
  /** Empty when the provider says none. */
  readonly displayName: string;
}

/** The provider, as the routes need it. */
export interface OidcProvider {
  /** Where to send the browser. */
  authorizationUrl(flow: OidcFlow): Promise<URL>;
  /** Redeems what the browser brought back; rejects when any check fails. */
  redeem(callback: URL, flow: OidcFlow): Promise<ExternalIdentity>;
}

/** How the provider is reached. */
export interface OidcProviderOptions {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Where the provider sends people back to. */
  readonly redirectUri: () => string;
  /** Through the egress guard. */
  readonly fetch: (
    url: string,
    request: {
      readonly method: string;
      readonly headers: Record<string, string>;
      readonly body?: URLSearchParams | undefined;
      readonly signal?: AbortSignal | undefined;
    },
  ) => Promise<Response>;
  readonly now: () => number;
}

const SCOPE = "openid email profile";
/** How long the provider's metadata is used before it is read again. */
const METADATA_MS = 600_000;
const CLOCK_SKEW_SECONDS = 60;

/** Makes the client. Nothing is asked of the provider before the first sign-in. */
export function createOidcProvider(options: OidcProviderOptions): OidcProvider {
  const { clientId, redirectUri, now } = options;
  const client: oauth.Client = {
    client_id: clientId,
    [oauth.clockTolerance]: CLOCK_SKEW_SECONDS,
  };
  const transport = {
    [oauth.customFetch]: (url: string, request: oauth.CustomFetchOptions<string, unknown>) =>
      options.fetch(url, { ...request, body: request.body as URLSearchParams | undefined }),
    // Only the operator names the issuer, and names one of http on loopback alone (see config).
    [oauth.allowInsecureRequests]: options.issuer.startsWith("http:"),
  };
  let known: { readonly server: oauth.AuthorizationServer; readonly endMs: number } | undefined;
  const readMetadata = async () => {
    if (known && known.endMs > now()) return known.server;
    const issuer = new URL(options.issuer);
    const response = await oauth.discoveryRequest(issuer, transport);
    const server = await oauth.processDiscoveryResponse(issuer, response);
    known = { server, endMs: now() + METADATA_MS };
    return server;
  };
  return {
    async authorizationUrl({ state, nonce, codeVerifier }) {
      const server = await readMetadata();
      if (!server.authorization_endpoint)
        throw new Error("the provider has no authorization_endpoint");
      const url = new URL(server.authorization_endpoint);
      const parameters = {
        client_id: clientId,
        redirect_uri: redirectUri(),
        response_type: "code",
        scope: SCOPE,
        state,
        nonce,
        code_challenge: await oauth.calculatePKCECodeChallenge(codeVerifier),
        code_challenge_method: "S256",
      };
      for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
      return url;
    },
    async redeem(callback, flow) {
      const server = await readMetadata();
      const parameters = oauth.validateAuthResponse(server, client, callback, flow.state);
      const response = await oauth.authorizationCodeGrantRequest(
        server,
        client,
        clientAuthentication(server, options.clientSecret),
        parameters,
        redirectUri(),
        flow.codeVerifier,
        transport,
      );
      const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, {
        expectedNonce: flow.nonce,
        requireIdToken: true,
      });
      await oauth.validateApplicationLevelSignature(server, response, transport);
      const claims = oauth.getValidatedIdTokenClaims(tokens)!;
      if (typeof claims.email === "string" || !server.userinfo_endpoint) {
        return identityOf(server.issuer, claims);
      }
      // Many providers put the address into the userinfo answer alone.
      const asked = await oauth.userInfoRequest(server, client, tokens.access_token, transport);
      const info = await oauth.processUserInfoResponse(server, client, claims.sub, asked);
      return identityOf(server.issuer, info);
    },
  };
}

function clientAuthentication(server: oauth.AuthorizationServer, secret: string): oauth.ClientAuth {
  // OpenID Connect Discovery 1.0: client_secret_basic where the provider does not say.
  const methods = server.token_endpoint_auth_methods_supported ?? ["client_secret_basic"];
  return methods.includes("client_secret_basic")
    ? oauth.ClientSecretBasic(secret)
    : oauth.ClientSecretPost(secret);
}

function identityOf(
  issuer: string,
  claims: { readonly sub: string; readonly [name: string]: unknown },
): ExternalIdentity {
  const textOf = (value: unknown) => (typeof value === "string" ? value : "");
  return {
    issuer,
    subject: claims.sub,
    email: textOf(claims.email),
    isEmailVerified: claims.email_verified === true,
    displayName: textOf(claims.name),
  };
}
