/** Public keys of clients (RFC 7517): which ones are taken, for assertions and for DPoP proofs. */

/** Algorithms that clients may sign with: asymmetric ones only, as a shared key would prove nothing. */
export const PROOF_ALGORITHMS = ["ES256", "ES384", "EdDSA", "Ed25519", "PS256", "RS256"];

/** Members of a JWK that only a private or symmetric key has (RFC 7518 section 6). */
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
const CURVES: Readonly<Record<string, string>> = {
  "P-256": "ES256",
  "P-384": "ES384",
  Ed25519: "Ed25519",
};
const RSA_BITS_MIN = 2048;
const RSA_BITS_MAX = 4096;

/** A JWK as a client gave it. */
export type PublicJwk = Readonly<Record<string, unknown>>;

/** What is wrong with a key that a client wants to be known by; undefined when nothing is. */
export function faultOfJwk(jwk: PublicJwk): string | undefined {
  if (PRIVATE_MEMBERS.some((name) => name in jwk)) {
    return "holds a private key: register only its public part, and make a new pair";
  }
  for (const name of ["kid", "alg", "use"]) {
    const value = jwk[name];
    if (value !== undefined && (typeof value !== "string" || value === "" || value.length > 256)) {
      return `${name} must be a text of 1 to 256 characters`;
    }
  }
  if (jwk.use !== undefined && jwk.use !== "sig") return 'use must be "sig"';
  if (jwk.alg !== undefined && !suits(jwk, jwk.alg as string)) {
    return `alg must suit the key and be one of ${PROOF_ALGORITHMS.join(", ")}`;
  }
  if (jwk.kty === "RSA") return faultOfRsa(jwk);
  const isCurve = (jwk.kty === "EC" || jwk.kty === "OKP") && String(jwk.crv) in CURVES;
  return isCurve ? undefined : "must be an EC key (P-256, P-384), an OKP key (Ed25519) or RSA";
}

function faultOfRsa({ n }: PublicJwk): string | undefined {
  const bits = typeof n === "string" ? Buffer.from(n, "base64url").length * 8 : 0;
  if (bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX) return undefined;
  return `an RSA key must have ${RSA_BITS_MIN} to ${RSA_BITS_MAX} bits`;
}

/** Whether a key can check signatures of this algorithm, which must be one of ours. */
export function suits(jwk: PublicJwk, algorithm: string): boolean {
  if (!PROOF_ALGORITHMS.includes(algorithm)) return false;
  if (jwk.alg !== undefined && jwk.alg !== algorithm && !areBothEd(jwk.alg, algorithm))
    return false;
  if (jwk.kty === "RSA") return algorithm === "RS256" || algorithm === "PS256";
  const own = CURVES[String(jwk.crv)];
  return own === algorithm || areBothEd(own, algorithm);
}

/** RFC 9864 renamed `EdDSA` with this curve to `Ed25519`. */
function areBothEd(one: unknown, other: unknown): boolean {
  const names: readonly unknown[] = ["EdDSA", "Ed25519"];
  return names.includes(one) && names.includes(other);
}
