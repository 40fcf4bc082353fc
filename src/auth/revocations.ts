/**
 * Tokens that were ended before their time (RFC 7009). A revocation counts on this node at once and
 * on the others within 2 s; it is forgotten when the token would have expired anyway.
 */
import { fail } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";

/** A token that was revoked. */
export interface Revocation {
  /** `jti`. */
  readonly tokenId: string;
  readonly clientId: string;
  /** When the token would have expired. */
  readonly endMs: number;
}

/** Where revocations are kept. */
export interface RevocationStore {
  /**
   * Revocations of tokens that are still alive, made after the given time of the store's clock (all
   * of them without one), and what to give next time.
   */
  listSince(sinceMs: number | undefined): Promise<{
    readonly revocations: readonly Revocation[];
    readonly nextSinceMs: number;
  }>;
  /** Adds one; adding it again does nothing. Forgets those of tokens that have expired. */
  add(revocation: Revocation): Promise<void>;
}

/** The revoked tokens, in memory. */
export interface Revocations {
  has(tokenId: string): boolean;
  /** Fails with DATABASE_UNAVAILABLE, and TOO_MANY_ATTEMPTS for a client with 10,000 already. */
  revoke(revocation: Revocation): Promise<void>;
  /** Reads what other nodes revoked; runs by itself every 2 s. */
  refresh(): Promise<void>;
  close(): void;
}

/** What the revocations work with. */
export interface RevocationsOptions {
  readonly store: RevocationStore;
  readonly logger: Logger;
  readonly now?: () => number;
  /** How often other nodes' revocations are read; 2 s. */
  readonly refreshMs?: number;
}

/** Live revoked tokens of one client, so that none can fill the memory of every node. */
const PER_CLIENT_MAX = 10_000;
/** Clocks of callers may be this far off, so a token is remembered for that long after its end. */
const KEPT_AFTER_END_MS = 120_000;

/** Loads the revocations. Fails when Postgres does not answer. */
export async function openRevocations(options: RevocationsOptions): Promise<Revocations> {
  const { store, logger, now = Date.now, refreshMs = 2_000 } = options;
  const revoked = new Map<string, Revocation>();
  const perClient = new Map<string, number>();
  let sinceMs: number | undefined;
  let running: Promise<void> | undefined;

  const remember = (revocation: Revocation) => {
    if (revoked.has(revocation.tokenId)) return;
    revoked.set(revocation.tokenId, revocation);
    perClient.set(revocation.clientId, (perClient.get(revocation.clientId) ?? 0) + 1);
  };
  const forgetEnded = () => {
    for (const { tokenId, clientId, endMs } of revoked.values()) {
      if (endMs + KEPT_AFTER_END_MS > now()) continue;
      revoked.delete(tokenId);
      const left = (perClient.get(clientId) ?? 1) - 1;
      if (left > 0) perClient.set(clientId, left);
      else perClient.delete(clientId);
    }
  };
  const read = async () => {
    const { revocations, nextSinceMs } = await store.listSince(sinceMs);
    revocations.forEach(remember);
    sinceMs = nextSinceMs;
    forgetEnded();
  };
  const refresh = () => {
    running ??= read().finally(() => {
      running = undefined;
    });
    return running;
  };
  await refresh();
  const timer = setInterval(() => {
    refresh().catch((error) => logger.warn("revoked tokens not refreshed", { error }));
  }, refreshMs);
  timer.unref();

  return {
    has: (tokenId) => revoked.has(tokenId),
    async revoke(revocation) {
      if ((perClient.get(revocation.clientId) ?? 0) >= PER_CLIENT_MAX) {
        throw fail("TOO_MANY_ATTEMPTS", "too many revoked tokens of this client", {
          retryAfterMs: 60_000,
        });
      }
      await store.add(revocation);
      remember(revocation);
    },
    refresh,
    close: () => clearInterval(timer),
  };
}
