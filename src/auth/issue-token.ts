/** The client credentials grant (RFC 6749 section 4.4), the same behind RPC and HTTP. */
import type { ApplicationDefinition } from "../core/definitions.ts";
import { type AccessTokens, TOKEN_LIFETIME_S } from "./access-token.ts";
import type { AuthenticateClient, ClientCall } from "./authenticate-client.ts";
import { OAuthError } from "./oauth-error.ts";

/** A request for a token. */
export interface IssueTokenInput extends ClientCall {
  readonly grantType: string | undefined;
  /** Operations asked for, joined by spaces; undefined or empty for all. */
  readonly scope?: string | undefined;
}

/** The answer of RFC 6749 section 5.1. */
export interface IssuedToken {
  readonly access_token: string;
  readonly token_type: "Bearer";
  /** Seconds. */
  readonly expires_in: number;
  /** What the token allows, joined by spaces. */
  readonly scope: string;
}

/** What the token issuer works with. */
export interface TokenIssuerOptions {
  readonly authenticateClient: AuthenticateClient;
  readonly tokens: AccessTokens;
  /** Told of each issued token, to note when an application was last used; must not wait. */
  readonly onIssued?: (application: ApplicationDefinition) => void;
}

/**
 * Gives a token. Fails with OAuthError, and with DATABASE_UNAVAILABLE when the definitions are older
 * than 15 minutes.
 */
export type IssueToken = (input: IssueTokenInput) => Promise<IssuedToken>;

/** Makes the function behind IssueToken and `/oauth2/token`. */
export function createTokenIssuer(options: TokenIssuerOptions): IssueToken {
  const { authenticateClient, tokens, onIssued } = options;
  return async (input) => {
    if (!input.grantType)
      throw new OAuthError("invalid_request", "grant_type is required", {
        parameter: "grant_type",
      });
    const application = authenticateClient(input);
    if (input.grantType !== "client_credentials") {
      throw new OAuthError("unsupported_grant_type", "the only grant_type is client_credentials", {
        parameter: "grant_type",
      });
    }
    if (!application.isClientCredentialsEnabled) {
      throw new OAuthError(
        "unauthorized_client",
        "the client credentials grant of this application is off",
      );
    }
    const scope = chooseScope(application, input.scope);
    const token = await tokens.sign(application, scope);
    onIssued?.(application);
    return { access_token: token, token_type: "Bearer", expires_in: TOKEN_LIFETIME_S, scope };
  };
}

/** What was asked for must be among the application's operations; nothing asked means all of them. */
function chooseScope(application: ApplicationDefinition, asked = ""): string {
  const wanted = new Set(asked.split(" ").filter((part) => part !== ""));
  const granted = wanted.size === 0 ? application.operations : [...wanted];
  if (granted.length === 0) {
    throw new OAuthError("invalid_scope", "the application may do nothing", { parameter: "scope" });
  }
  if (!granted.every((operation) => application.operations.includes(operation))) {
    throw new OAuthError("invalid_scope", "the application may not have this scope", {
      parameter: "scope",
    });
  }
  return granted.join(" ");
}
