/** Checks personal and service tokens against the definitions in memory. */
import { timingSafeEqual } from "node:crypto";
import type { Definitions, TokenDefinition } from "../core/definitions.ts";
import { streamOf } from "../core/names.ts";
import type { Principal } from "../core/principal.ts";
import { createSharedLook } from "../core/shared-look.ts";
import { readTokenText } from "../core/token-text.ts";
import type { CredentialVerifier } from "./credential-verifier.ts";

/** What tokens are checked with. */
export interface OpaqueTokensOptions {
  readonly definitions: Definitions;
  /** Brings the definitions up to date; never by default. */
  readonly refresh?: () => Promise<void>;
  /** Told of each use; must not wait. */
  readonly onUsed?: (uid: string) => void;
  readonly now?: () => number;
}

const NO_SECRET = Buffer.alloc(32);
/** A token has at most two secrets while one replaces the other. */
const COMPARED_SECRETS = 2;

/**
 * Makes the verifier of `trib_…` tokens. Only a token that is not known waits: another node may have
 * made or refreshed it just now, so the definitions are read once more before it is refused.
 */
export function createOpaqueTokens(options: OpaqueTokensOptions): CredentialVerifier {
  const { definitions, refresh, onUsed, now = Date.now } = options;
  const lookAgain = refresh && createSharedLook(refresh);
  /** Which secret each caller came with: a refresh ends the one and not the other. */
  const secrets = new WeakMap<Principal, Uint8Array>();
  return {
    async verify(text) {
      const given = readTokenText(text);
      if (!given) return undefined;
      const find = () => {
        const token = definitions.token(given.uid);
        const isRight = isLiveSecret(token, given.sha256, now());
        return isRight && token?.kind === given.kind ? token : undefined;
      };
      let token = find();
      if (!token && lookAgain) {
        await lookAgain();
        token = find();
      }
      if (!token) return undefined;
      const principal = principalOf(token);
      secrets.set(principal, given.sha256);
      return principal;
    },
    isGood(principal) {
      const token = definitions.token(principal.tokenId);
      const secret = secrets.get(principal);
      const isGood =
        token !== undefined &&
        !token.isDisabled &&
        secret !== undefined &&
        isLiveSecret(token, secret, now()) &&
        isSameResource(definitions, token);
      if (isGood) onUsed?.(token.uid);
      return isGood;
    },
  };
}

/** Does the same work for an unknown token as for a known one. */
function isLiveSecret(
  token: TokenDefinition | undefined,
  sha256: Uint8Array,
  nowMs: number,
): boolean {
  let isRight = false;
  for (let i = 0; i < COMPARED_SECRETS; i++) {
    const stored = token?.secrets[i];
    const isLive = stored !== undefined && (stored.endTimeMs ?? Number.POSITIVE_INFINITY) > nowMs;
    const isEqual = timingSafeEqual(sha256, stored?.sha256 ?? NO_SECRET);
    isRight = (isLive && isEqual) || isRight;
  }
  return isRight;
}

/** A later stream, source or sink of the same name is another: the token was not made for it. */
function isSameResource(definitions: Definitions, { resource, resourceUid }: TokenDefinition) {
  const stream = streamOf(resource);
  if (stream === undefined) return true;
  if (stream === resource) return definitions.stream(stream)?.uid === resourceUid;
  if (resource.split("/")[4] === "sinks") return definitions.sink(resource)?.uid === resourceUid;
  return definitions.sourceByUid(resourceUid)?.name === resource;
}

function principalOf(token: TokenDefinition): Principal {
  const shared = {
    credential: "token" as const,
    tokenId: token.uid,
    expiresAtMs: token.endTimeMs ?? Number.POSITIVE_INFINITY,
    boundTo: token.resource,
    operations: new Set(token.operations),
  };
  if (token.kind === "personal") {
    const roleMax = token.role === 0 ? undefined : { roleMax: token.role };
    return { ...shared, kind: "person", id: token.makerId, ...roleMax };
  }
  const { projectUid, role } = token;
  return { ...shared, kind: "token", id: `token:${token.uid}`, projectUid, role };
}
