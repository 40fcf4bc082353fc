/**
 * Where a DPoP proof that came with a call is remembered: at the node whose nonce it holds, whichever
 * node it is sent to. So each proof counts once among all nodes, no call waits for a database, and the
 * nonces of a node that has ended, with its memory, count no more.
 */
import type { DpopNonces } from "./dpop-nonce.ts";
import type { SeeProof } from "./seen-proofs.ts";
import type { Proof } from "./used-proofs.ts";

/** How nodes ask each other; undefined is no answer. */
export interface NodeQuestions {
  answer(name: string, answerTo: (question: string) => string): () => void;
  ask(name: string, question: string): Promise<string | undefined>;
}

/** What became of a proof: taken once, seen before, no room to remember it, or a nonce is needed. */
export type ProofUse = ReturnType<SeeProof> | "nonce";

/** Nonces, and the proofs that hold them. */
export interface ProofMemory extends Pick<DpopNonces, "offer"> {
  /** Notes the use of a proof with this nonce. */
  see(nonce: string | undefined, proof: Proof): Promise<ProofUse>;
  /** Whether the nonce is one to take, for where uses are remembered otherwise. */
  isGood(nonce: string | undefined): boolean;
  /** Stops answering other nodes. */
  close(): void;
}

/** What the memory works with. */
export interface ProofMemoryOptions {
  readonly nonces: DpopNonces;
  readonly seeProof: SeeProof;
  /** Left out on a single node, which then takes its own nonces only. */
  readonly nodes?: NodeQuestions | undefined;
}

const USES: readonly string[] = ["new", "seen", "full"] satisfies ProofUse[];

/** Makes the memory of this node, and answers the others from it. */
export function createProofMemory({ nonces, seeProof, nodes }: ProofMemoryOptions): ProofMemory {
  const close = nodes?.answer(nonces.node, (question) => seeProof(JSON.parse(question)));
  return {
    offer: nonces.offer,
    isGood: (nonce) => nonce !== undefined && nonces.giverOf(nonce) !== undefined,
    async see(nonce, proof) {
      const giver = nonce === undefined ? undefined : nonces.giverOf(nonce);
      if (giver === undefined) return "nonce";
      if (giver === nonces.node) return seeProof(proof);
      const use = await nodes?.ask(giver, JSON.stringify(proof));
      return use !== undefined && USES.includes(use) ? (use as ProofUse) : "nonce";
    },
    close: () => close?.(),
  };
}
