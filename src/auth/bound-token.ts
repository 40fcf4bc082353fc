/** Access tokens that are bound to a key, as they come with calls (RFC 9449 section 7). */
import { fail } from "../core/errors.ts";
import type { Principal } from "../core/principal.ts";
import { dpopRefused } from "./challenge.ts";
import { checkDpopProof, DpopRefused, nonceNeeded, type ProvenRequest } from "./dpop-proof.ts";
import type { ProofMemory } from "./proof-memory.ts";

/** A call as its proof must name it. */
export type ProvenCall = Omit<ProvenRequest, "accessToken">;

const DPOP = /^dpop +([a-z0-9\-._~+/]+=*) *$/i;

/** The token of an Authorization header with the scheme DPoP; undefined for other schemes. */
export function boundTokenOf(authorization: string): string | undefined {
  return DPOP.exec(authorization)?.[1];
}

/** What proofs are checked with. */
export interface ProofCheckOptions {
  readonly proofs: Pick<ProofMemory, "offer" | "see">;
  readonly now: () => number;
}

/**
 * Checks that whoever sends the token holds its key. Fails with TOKEN_INVALID and a challenge of the
 * scheme DPoP, and with OVERLOADED when no more proofs can be remembered.
 */
export async function checkHolder(
  principal: Principal,
  call: ProvenCall & { readonly accessToken: string },
  { proofs, now }: ProofCheckOptions,
): Promise<void> {
  const boundKey = principal.kind === "application" ? principal.boundKey : undefined;
  if (boundKey === undefined) {
    throw dpopRefused("invalid_token", "the token is bound to no key: send it as Bearer");
  }
  try {
    const { jkt, nonce, use } = await checkDpopProof(call, now());
    if (jkt !== boundKey) {
      throw dpopRefused("invalid_token", "the token is bound to another key than the proof's");
    }
    const found = await proofs.see(nonce, use);
    if (found === "nonce") throw nonceNeeded();
    if (found === "seen")
      throw new DpopRefused("the proof was used before: sign one for each call");
    if (found === "full") {
      throw fail("OVERLOADED", "too many DPoP proofs at once", { retryAfterMs: 1_000 });
    }
  } catch (error) {
    if (!(error instanceof DpopRefused)) throw error;
    throw dpopRefused(error.code, error.message, proofs.offer());
  }
}
