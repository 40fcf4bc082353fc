/** Public keys of clients as the signature check wants them. */
import { type CryptoKey, importJWK, type JWK } from "jose";
import type { PublicJwk } from "../core/public-jwk.ts";

const imported = new WeakMap<PublicJwk, Map<string, Promise<CryptoKey>>>();

/** The key for one algorithm, read once for each object. Rejects when it is no key of that kind. */
export function keyOf(jwk: PublicJwk, algorithm: string): Promise<CryptoKey> {
  let byAlgorithm = imported.get(jwk);
  if (!byAlgorithm) {
    byAlgorithm = new Map();
    imported.set(jwk, byAlgorithm);
  }
  let key = byAlgorithm.get(algorithm);
  if (!key) {
    // `use`, `key_ops` and `ext` say nothing that the import should fail for.
    const { use: _use, key_ops: _operations, ext: _ext, ...bare } = jwk;
    key = importJWK(bare as unknown as JWK, algorithm) as Promise<CryptoKey>;
    byAlgorithm.set(algorithm, key);
  }
  return key;
}
