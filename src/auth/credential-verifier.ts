/** How the authenticator learns of credentials other than access tokens. */
import type { CredentialKind, Principal } from "../core/principal.ts";

/** Verifies one kind of credential. */
export interface CredentialVerifier {
  /**
   * The caller; undefined when the credential is unknown, malformed or ended. May ask the database:
   * the answer is kept, and later calls with the credential ask `isGood` only.
   */
  verify(credential: string): Promise<Principal | undefined>;
  /**
   * Whether the credential still counts, from what is in memory, in about a microsecond: asked at
   * each call. Its end, revocation by `tokenId` and disabled people are looked at elsewhere.
   */
  isGood(principal: Principal): boolean;
}

/** One for each kind that the server takes. */
export type CredentialVerifiers = Readonly<
  Partial<Record<Exclude<CredentialKind, "access-token">, CredentialVerifier>>
>;
