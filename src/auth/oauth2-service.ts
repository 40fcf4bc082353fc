/** OAuth2Service: the same functions as the plain HTTP routes, with Connect's errors. */
import type { JsonObject } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type {
  IntrospectTokenRequest,
  OAuth2Service,
} from "#gen/tributary/oauth2/v1/oauth2_service_pb.js";
import { callKey } from "../core/call.ts";
import { fail } from "../core/errors.ts";
import type { ClientCall } from "./authenticate-client.ts";
import { BASIC_CHALLENGE } from "./challenge.ts";
import type { ProvenRequest } from "./dpop-proof.ts";
import type { IssueToken } from "./issue-token.ts";
import { OAuthError } from "./oauth-error.ts";
import { serverMetadata } from "./server-metadata.ts";
import type { SigningKeys } from "./signing-keys.ts";
import type { TokenDesk } from "./token-desk.ts";

/** What the service works with. */
export interface OAuth2ServiceOptions {
  readonly issueToken: IssueToken;
  readonly desk: TokenDesk;
  readonly keys: SigningKeys;
  /** Public URL, known once the port is open. */
  readonly issuer: () => string;
}

/** The handlers of OAuth2Service. */
export function createOAuth2Service(
  options: OAuth2ServiceOptions,
): ServiceImpl<typeof OAuth2Service> {
  const { issueToken, desk, keys, issuer } = options;
  return {
    async issueToken(request, context) {
      const { grantType, scope } = request;
      const issued = await translated(() =>
        issueToken({
          ...clientOf(request, context),
          ...{ grantType, scope, proven: provenOf(context, issuer()) },
        }),
      );
      if (issued.nonce) context.responseHeader.set("DPoP-Nonce", issued.nonce);
      return {
        accessToken: issued.access_token,
        tokenType: issued.token_type,
        expiresIn: issued.expires_in,
        scope: issued.scope,
      };
    },
    async introspectToken(request, context) {
      const found = await translated(() =>
        desk.introspect({ ...clientOf(request, context), token: request.token }),
      );
      if (!found.active) return { active: false };
      const { active, scope, sub, iss, aud, jti } = found;
      return {
        ...{ active, scope, sub, iss, aud, jti },
        clientId: found.client_id,
        exp: BigInt(found.exp),
        iat: BigInt(found.iat),
        tokenType: found.token_type,
        jkt: found.cnf?.jkt ?? "",
      };
    },
    async revokeToken(request, context) {
      await translated(() => desk.revoke({ ...clientOf(request, context), token: request.token }));
      return {};
    },
    getServerMetadata: () => ({ metadata: serverMetadata(issuer()) }),
    getJsonWebKeySet: () => ({ keys: keys.publicKeys().map((key) => ({ ...key }) as JsonObject) }),
  };
}

function clientOf(
  fields: Pick<
    IntrospectTokenRequest,
    "clientId" | "clientSecret" | "clientAssertion" | "clientAssertionType"
  >,
  context: HandlerContext,
): ClientCall {
  const header = context.requestHeader.get("authorization");
  return {
    authorization: header === null ? [] : [header],
    clientId: fields.clientId,
    clientSecret: fields.clientSecret,
    clientAssertion: fields.clientAssertion,
    clientAssertionType: fields.clientAssertionType,
    // Without a port, as in a test, all callers share one counter of wrong secrets.
    address: context.values.get(callKey)?.remoteAddress ?? "",
  };
}

/** The call as a DPoP proof must name it; a repeated header arrives joined and is no proof. */
function provenOf(context: HandlerContext, issuer: string): ProvenRequest {
  const header = context.requestHeader.get("dpop");
  const { parent, name } = context.method;
  return {
    proofs: header === null ? [] : [header],
    method: "POST",
    url: `${issuer.replace(/\/$/, "")}/${parent.typeName}/${name}`,
  };
}

async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof OAuthError ? connectErrorOf(error) : error;
  }
}

/** Connect's form of an OAuth2 refusal; its code of RFC 6749 is in the metadata as `error`. */
function connectErrorOf(error: OAuthError) {
  const { code, message, retryAfterMs, headers } = error;
  const metadata = { error: code };
  if (retryAfterMs !== undefined) {
    return fail("TOO_MANY_ATTEMPTS", message, { metadata, retryAfterMs, cause: error });
  }
  switch (code) {
    case "invalid_client":
      return fail("CLIENT_INVALID", `${code}: ${message}`, {
        metadata,
        headers: { "WWW-Authenticate": BASIC_CHALLENGE },
        cause: error,
      });
    case "unauthorized_client":
      return fail("GRANT_TYPE_OFF", `${code}: ${message}`, { metadata, cause: error });
    default:
      return fail("INVALID_FIELDS", `${code}: ${message}`, {
        metadata,
        violations: [{ field: error.parameter ?? "client_secret", description: message }],
        headers,
        cause: error,
      });
  }
}
