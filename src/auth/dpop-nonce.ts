/**
 * Nonces of DPoP proofs (RFC 9449 section 8). A nonce names the node that gave it and the half minute
 * in which it did, with a mark that no one else can make; nothing is stored. It counts for 30 to 60 s.
 */
import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";

/** Gives nonces and knows them again. */
export interface DpopNonces {
  /** This node until it ends: 12 characters, new at each start. */
  readonly node: string;
  /** The nonce to use now: 1 to 64 characters of NQCHAR. */
  offer(): string;
  /** The node that gave this nonce; undefined when none of this installation did, or it is too old. */
  giverOf(nonce: string): string | undefined;
}

const WINDOW_MS = 30_000;
const FORM = /^([A-Za-z0-9_-]{12})\.([0-9a-z]{1,10})\.([A-Za-z0-9_-]{22})$/;

/** Makes them; nodes with the same master key know each other's. */
export function createDpopNonces(masterKey: Uint8Array, now: () => number): DpopNonces {
  const key = Buffer.from(hkdfSync("sha256", masterKey, "", "tributary dpop nonces", 32));
  const node = randomBytes(9).toString("base64url");
  const windowNow = () => Math.floor(now() / WINDOW_MS);
  const markOf = (text: string) => createHmac("sha256", key).update(text).digest().subarray(0, 16);
  return {
    node,
    offer() {
      const text = `${node}.${windowNow().toString(36)}`;
      return `${text}.${markOf(text).toString("base64url")}`;
    },
    giverOf(nonce) {
      const [, giver = "", window = "", mark = ""] = FORM.exec(nonce) ?? [];
      const given = Buffer.from(mark, "base64url");
      if (given.length !== 16) return undefined;
      if (!timingSafeEqual(given, markOf(`${giver}.${window}`))) return undefined;
      // One window ahead, as clocks of nodes may differ.
      const age = windowNow() - Number.parseInt(window, 36);
      return age <= 1 && age >= -1 ? giver : undefined;
    },
  };
}
