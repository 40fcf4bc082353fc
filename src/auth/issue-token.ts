/** The client credentials grant (RFC 6749 section 4.4), the same behind RPC and HTTP. */
import type { ApplicationDefinition } from "../core/definitions.ts";
import { type AccessTokens, TOKEN_LIFETIME_S, type TokenType } from "./access-token.ts";
import type { AuthenticateClient, ClientCall } from "./authenticate-client.ts";
import { checkDpopProof, DpopRefused, nonceNeeded, type ProvenRequest } from "./dpop-proof.ts";
import { OAuthError } from "./oauth-error.ts";
import type { ProofMemory } from "./proof-memory.ts";
import type { SpendProof } from "./used-proofs.ts";

/** A request for a token. */
export interface IssueTokenInput extends ClientCall {
  readonly grantType: string | undefined;
  /** Operations asked for, joined by spaces; undefined or empty for all. */
  readonly scope?: string | undefined;
  /** The request with its DPoP headers, where there may be any (RFC 9449). */
  readonly proven?: ProvenRequest | undefined;
}

/** The answer of RFC 6749 section 5.1. */
export interface IssuedToken {
  readonly access_token: string;
  readonly token_type: TokenType;
  /** Seconds. */
  readonly expires_in: number;
  /** What the token allows, joined by spaces. */
  readonly scope: string;
  /** For the header DPoP-Nonce, when the token is bound to a key: what its next proof holds. */
  readonly nonce?: string;
}

/** What the token issuer works with. */
export interface TokenIssuerOptions {
  readonly authenticateClient: AuthenticateClient;
  readonly tokens: AccessTokens;
  readonly spendProof: SpendProof;
  readonly proofs: Pick<ProofMemory, "offer" | "isGood">;
  readonly now: () => number;
  /** Told of each issued token, to note when an application was last used; must not wait. */
  readonly onIssued?: (application: ApplicationDefinition) => void;
  /** Milliseconds that a client must wait for its next token; 0 when it may have one now. */
  readonly waitOf?: (clientId: string) => number;
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
    const application = await authenticateClient(input);
    // Not before the client has proved who it is: nobody else can use up what it may have.
    const retryAfterMs = options.waitOf?.(application.clientId) ?? 0;
    if (retryAfterMs > 0) {
      throw new OAuthError("invalid_request", "too many tokens: use each until it ends", {
        retryAfterMs,
      });
    }
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
    const jkt = await keyToBind(options, application, input.proven);
    const token = await tokens.sign(application, scope, jkt);
    onIssued?.(application);
    const answer = { access_token: token, expires_in: TOKEN_LIFETIME_S, scope };
    if (jkt === undefined) return { ...answer, token_type: "Bearer" };
    return { ...answer, token_type: "DPoP", nonce: options.proofs.offer() };
  };
}

/** The key that the client proved to hold; undefined when it sent no proof and needs none. */
async function keyToBind(
  { spendProof, proofs, now }: TokenIssuerOptions,
  application: ApplicationDefinition,
  proven: ProvenRequest | undefined,
): Promise<string | undefined> {
  if (!proven || proven.proofs.length === 0) {
    if (!application.isDpopRequired) return undefined;
    throw proofRefused(
      new DpopRefused("tokens of this application are bound to a key: send a DPoP header"),
      proofs,
    );
  }
  try {
    const { jkt, nonce, use } = await checkDpopProof(proven, now());
    if (!proofs.isGood(nonce)) throw nonceNeeded();
    if (await spendProof(use)) return jkt;
    throw new DpopRefused("the proof was used before: sign a new one for each request");
  } catch (error) {
    throw error instanceof DpopRefused ? proofRefused(error, proofs) : error;
  }
}

function proofRefused(cause: DpopRefused, proofs: Pick<ProofMemory, "offer">): OAuthError {
  const headers = { "DPoP-Nonce": proofs.offer() };
  return new OAuthError(cause.code, cause.message, { parameter: "DPoP", headers, cause });
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
