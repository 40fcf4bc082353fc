/** What clients may ask and do about tokens of theirs: introspection (RFC 7662), revocation (RFC 7009). */
import type { Definitions } from "../core/definitions.ts";
import {
  type AccessTokenClaims,
  type AccessTokens,
  type TokenType,
  typeOf,
} from "./access-token.ts";
import type { AuthenticateClient, ClientCall } from "./authenticate-client.ts";
import { OAuthError } from "./oauth-error.ts";
import type { Revocations } from "./revocations.ts";

/** A client's question about a token, or its wish to end it. */
export interface TokenCall extends ClientCall {
  readonly token: string | undefined;
}

/** The answer of RFC 7662 section 2.2; nothing but `active` for a token that is not. */
export type Introspection =
  | { readonly active: false }
  | ({ readonly active: true; readonly token_type: TokenType } & AccessTokenClaims);

/** What the desk works with. */
export interface TokenDeskOptions {
  readonly authenticateClient: AuthenticateClient;
  readonly tokens: AccessTokens;
  readonly revocations: Revocations;
  readonly definitions: Definitions;
}

/** Introspection and revocation. */
export interface TokenDesk {
  /** Fails with OAuthError: invalid_request, invalid_client. */
  introspect(call: TokenCall): Promise<Introspection>;
  /**
   * Ends a token; does nothing for an unknown or expired one. Fails with OAuthError (invalid_grant
   * for another client's token), and DATABASE_UNAVAILABLE, after which the token may still be good.
   */
  revoke(call: TokenCall): Promise<void>;
}

/** Makes the functions behind introspection and revocation. */
export function createTokenDesk(options: TokenDeskOptions): TokenDesk {
  const { authenticateClient, tokens, revocations, definitions } = options;
  const read = async (call: TokenCall) => {
    if (!call.token)
      throw new OAuthError("invalid_request", "token is required", { parameter: "token" });
    const caller = await authenticateClient(call);
    const claims = await tokens.verify(call.token);
    const isKnown =
      claims !== undefined &&
      !revocations.has(claims.jti) &&
      definitions.applicationByClientId(claims.client_id)?.isDisabled === false;
    return { caller, claims: isKnown ? claims : undefined };
  };
  return {
    async introspect(call) {
      const { caller, claims } = await read(call);
      if (claims?.client_id !== caller.clientId) return { active: false };
      return { active: true, token_type: typeOf(claims), ...claims };
    },
    async revoke(call) {
      const { caller, claims } = await read(call);
      if (!claims) return;
      if (claims.client_id !== caller.clientId) {
        throw new OAuthError("invalid_grant", "the token was issued to another client", {
          parameter: "token",
        });
      }
      await revocations.revoke({
        tokenId: claims.jti,
        clientId: claims.client_id,
        endMs: claims.exp * 1000,
      });
    },
  };
}
