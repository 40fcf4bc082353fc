/**
 * DPoP proofs that came with calls, in the memory of this node: a proof lives for two minutes at most,
 * and a push waits for no database. (At the token endpoint they are remembered in Postgres.)
 */
import { digestOf, type Proof } from "./used-proofs.ts";

/** Notes a use; tells whether the proof is new, was seen, or cannot be remembered for lack of room. */
export type SeeProof = (proof: Proof) => "new" | "seen" | "full";

/** Proofs remembered at once, about 150 bytes each. */
const SEEN_MAX = 200_000;

/** An empty memory. */
export function createSeenProofs(now: () => number, seenMax = SEEN_MAX): SeeProof {
  /** Ends by digest, in the order of arrival, which is nearly that of the ends. */
  const seen = new Map<string, number>();
  const forgetEnded = () => {
    for (const [digest, endMs] of seen) {
      if (endMs > now()) return;
      seen.delete(digest);
    }
  };
  return (proof) => {
    forgetEnded();
    const digest = digestOf(proof);
    if (seen.has(digest)) return "seen";
    if (seen.size >= seenMax) return "full";
    seen.set(digest, proof.endMs);
    return "new";
  };
}
