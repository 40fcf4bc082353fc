/** Opens everything that has to do with tokens and authorisation, in the order it depends on. */

import type { ServiceImpl } from "@connectrpc/connect";
import type { OAuth2Service } from "#gen/tributary/oauth2/v1/oauth2_service_pb.js";
import type { ApplicationDefinition, Definitions } from "../core/definitions.ts";
import { currentKeyOf, type MasterKey } from "../core/envelope.ts";
import type { Logger } from "../core/logger.ts";
import type { Principal } from "../core/principal.ts";
import type { Database } from "../db/client.ts";
import type { AccessRules } from "./access-rules.ts";
import { createAccessTokens } from "./access-token.ts";
import { createAttemptLimit } from "./attempt-limit.ts";
import { type Authenticator, createAuthenticator } from "./authenticate.ts";
import { createClientAuthenticator } from "./authenticate-client.ts";
import { type Authorizer, createAuthorizer } from "./authorize.ts";
import type { ProvenCall } from "./bound-token.ts";
import { tokenMissing } from "./challenge.ts";
import { createAssertionCheck } from "./client-assertion.ts";
import type { CredentialVerifiers } from "./credential-verifier.ts";
import { checkCsrf } from "./csrf.ts";
import { createDpopNonces } from "./dpop-nonce.ts";
import { createTokenIssuer, type IssueToken } from "./issue-token.ts";
import { createOAuth2Service } from "./oauth2-service.ts";
import { createProofMemory, type NodeQuestions } from "./proof-memory.ts";
import { createRevocationStore } from "./revocation-store.ts";
import { openRevocations, type Revocations } from "./revocations.ts";
import { createSeenProofs } from "./seen-proofs.ts";
import { createSessionCookie, type SessionCookie } from "./session-cookie.ts";
import type { ShareCounts } from "./shared-counts.ts";
import { createSigningKeyStore } from "./signing-key-store.ts";
import { openSigningKeys, type SigningKeys } from "./signing-keys.ts";
import { createTokenDesk, type TokenDesk } from "./token-desk.ts";
import { createOAuth2Routes, type OAuth2Route, type RefusedClient } from "./token-routes.ts";
import { createUsedProofs } from "./used-proofs.ts";

/** What authentication and authorisation need of the rest. */
export interface AuthOptions {
  /** Migrated. */
  readonly database: Database;
  /** 32 bytes, the same on every node. */
  readonly masterKey: MasterKey;
  readonly definitions: Definitions;
  /** Public URL of the server, issuer and audience of tokens; asked for when a token is. */
  readonly issuer: () => string;
  /** Path of the public URL where it has one. */
  readonly issuerPath?: string;
  readonly logger: Logger;
  /** For credentials other than access tokens. */
  readonly verifiers?: CredentialVerifiers;
  /** Where sessions of people are; by default a cookie for plain http. */
  readonly cookie?: SessionCookie;
  /** From `accessRules`, for `authorizer.authorizeCall`. */
  readonly rules?: AccessRules;
  /** Milliseconds that a client must wait for its next token; 0 when it may have one now. */
  readonly tokenWaitOf?: (clientId: string) => number;
  /** How this node asks others about DPoP proofs; left out on a single node. */
  readonly nodes?: NodeQuestions;
  /** How this node hears of other nodes' wrong secrets; left out on a single node. */
  readonly shareCounts?: ShareCounts;
  /** Told of each issued token; must not wait. */
  readonly onIssued?: (application: ApplicationDefinition) => void;
  /** Told of each client that the plain routes refuse; must not wait. */
  readonly onRefused?: (refused: RefusedClient) => void;
  readonly now?: () => number;
  /** How often other nodes' revocations are read; 2 s. */
  readonly refreshMs?: number;
  /** Age at which the key that signs gets a successor; never by default. */
  readonly rotateAfterMs?: number | undefined;
}

/** Access control in the form in which the rpc server asks for it. */
export interface AuthGate extends Pick<Authorizer, "authorizeOperation" | "authorizeCall"> {
  /**
   * As `Authenticator.authenticate`, without waiting for a credential that was verified before. An
   * Authorization header wins over a cookie; a cookie alone is not enough for a call that is no read
   * (CSRF_REFUSED). A token that is bound to a key is refused without `target`.
   */
  authenticate(headers: Pick<Headers, "get">, target?: CallTarget): Principal | Promise<Principal>;
}

/** The request line of a call. */
export interface CallTarget {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** Whether it changes nothing; false when it is left out. */
  readonly isRead?: boolean;
}

/** All of it, open. */
export interface Auth {
  readonly gate: AuthGate;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly routes: readonly OAuth2Route[];
  readonly service: ServiceImpl<typeof OAuth2Service>;
  readonly keys: SigningKeys;
  readonly revocations: Revocations;
  readonly issueToken: IssueToken;
  readonly desk: TokenDesk;
  /** Stops reading keys and revocations; may be called again. */
  close(): void;
}

/** Fails when Postgres does not answer, or its keys were sealed with another master key. */
export async function openAuth(options: AuthOptions): Promise<Auth> {
  const { database, definitions, issuer, logger, now = Date.now } = options;
  const keys = await openSigningKeys({
    store: createSigningKeyStore(database),
    masterKey: options.masterKey,
    logger,
    now,
    rotateAfterMs: options.rotateAfterMs,
  });
  const revocations = await openRevocations({
    store: createRevocationStore(database),
    logger,
    now,
    ...(options.refreshMs !== undefined && { refreshMs: options.refreshMs }),
  }).catch((error) => {
    keys.close();
    throw error;
  });
  const tokens = createAccessTokens({ keys, issuer, now });
  const { shareCounts: share } = options;
  const attempts = createAttemptLimit({ now, shared: share && { kind: "client", share } });
  const spendProof = createUsedProofs(database);
  const checkAssertion = createAssertionCheck({ spendProof, issuer, now });
  const authenticateClient = createClientAuthenticator({
    ...{ definitions, attempts, checkAssertion, now },
  });
  const proofs = createProofMemory({
    nonces: createDpopNonces(currentKeyOf(options.masterKey), now),
    seeProof: createSeenProofs(now),
    nodes: options.nodes,
  });
  const { onIssued, issuerPath, rules, verifiers } = options;
  const issueToken = createTokenIssuer({
    ...{ authenticateClient, tokens, spendProof, proofs, now },
    ...(onIssued && { onIssued }),
    ...(options.tokenWaitOf && { waitOf: options.tokenWaitOf }),
  });
  const desk = createTokenDesk({ authenticateClient, tokens, revocations, definitions });
  const authorizer = createAuthorizer({ definitions, ...(rules && { rules }) });
  const authenticator = createAuthenticator({
    ...{ tokens, revocations, definitions, proofs, now },
    ...(verifiers && { verifiers }),
  });
  const { onRefused } = options;
  const shared = { issueToken, desk, keys, issuer, onRefused };
  const cookie = options.cookie ?? createSessionCookie({ isSecure: false });
  return {
    gate: createGate({ authenticator, authorizer, issuer, cookie }),
    revocations,
    authenticator,
    authorizer,
    routes: createOAuth2Routes({ ...shared, ...(issuerPath !== undefined && { issuerPath }) }),
    service: createOAuth2Service(shared),
    keys,
    issueToken,
    desk,
    close() {
      keys.close();
      revocations.close();
      proofs.close();
      authorizer.close();
    },
  };
}

function createGate({
  authenticator,
  authorizer,
  issuer,
  cookie,
}: Pick<Auth, "authenticator" | "authorizer"> &
  Pick<AuthOptions, "issuer"> & { readonly cookie: SessionCookie }): AuthGate {
  const provenOf = (proof: string | null, { method, url }: CallTarget): ProvenCall => ({
    // A header that came twice arrives joined, and is no proof.
    proofs: proof === null ? [] : [proof],
    method,
    url: `${issuer().replace(/\/$/, "")}${url}`,
  });
  const authenticateSession = (headers: Pick<Headers, "get">, target?: CallTarget) => {
    const session = cookie.read(headers.get("cookie"));
    if (session === undefined) throw tokenMissing();
    if (!target?.isRead) checkCsrf(headers, session);
    return (
      authenticator.recallSession(session) ??
      authenticator.authenticate({ authorization: [], session })
    );
  };
  return {
    authenticate(headers, target) {
      const value = headers.get("authorization");
      if (value === null) return authenticateSession(headers, target);
      return (
        authenticator.recall(value) ??
        authenticator.authenticate({
          authorization: [value],
          ...(target && { proven: provenOf(headers.get("dpop"), target) }),
        })
      );
    },
    authorizeOperation: authorizer.authorizeOperation,
    authorizeCall: authorizer.authorizeCall,
  };
}
