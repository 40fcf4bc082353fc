/** What a key management service does for us: it alone opens the master keys. */

/**
 * A key of a service. Every call goes over the network: it is made once for each master key when a
 * node starts or a key is added, never for a single secret (see `core/envelope.ts`), so that the
 * service may be away while servers run.
 */
export interface KeyManagement {
  /** Which key of which service, for people and for what is stored; no secret. */
  readonly name: string;
  /** Encrypts 32 bytes. Rejects with the service's words. */
  wrap(key: Uint8Array): Promise<Uint8Array>;
  /** The 32 bytes again. Rejects when the service is away, refuses, or used another key. */
  unwrap(wrapped: Uint8Array): Promise<Uint8Array>;
}
