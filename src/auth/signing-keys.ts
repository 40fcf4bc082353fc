/**
 * The keys that sign access tokens (ES256). They live in Postgres, the private part sealed with the
 * master key, and in memory, so that signing and checking never wait for Postgres.
 *
 * A key is published before it signs and for a while after its successor took over, so every node
 * and every cached JWKS knows it for as long as tokens of it are alive.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { type CryptoKey, calculateJwkThumbprint, exportJWK, importJWK, type JWK } from "jose";
import { type MasterKey, openSecret, sealSecret } from "../core/envelope.ts";
import type { Logger } from "../core/logger.ts";

/** A key as stored. */
export interface StoredSigningKey {
  /** RFC 7638 thumbprint of the public key. */
  readonly kid: string;
  readonly publicJwk: JWK;
  /** PKCS 8, sealed by `sealSecret` with the context `signing_keys/<kid>`. */
  readonly sealedPrivateKey: Uint8Array;
  /** From when on it signs; the newest of these signs. */
  readonly signFromMs: number;
  /** When it leaves the key set; undefined while it has no successor. */
  readonly endMs?: number;
}

/** Where keys are kept. */
export interface SigningKeyStore {
  /** The keys that have not ended at this time, by `signFromMs`. */
  list(nowMs: number): Promise<readonly StoredSigningKey[]>;
  /** Adds the key unless there is one already, also when two nodes do it at once. */
  addFirst(key: StoredSigningKey): Promise<void>;
  /** Adds the key, and lets those before it end at `endOthersMs` unless they end sooner. */
  add(key: StoredSigningKey, endOthersMs: number): Promise<void>;
  /** The same when the key of this id is still the newest, also when two nodes do it at once. */
  addAfter(newestKid: string, key: StoredSigningKey, endOthersMs: number): Promise<void>;
}

/** The key that signs. */
export interface TokenSigner {
  readonly kid: string;
  readonly privateKey: KeyObject;
}

/** The keys, in memory. */
export interface SigningKeys {
  signer(): TokenSigner;
  /** The public key to check a token with; undefined when there is none of this id. */
  verifier(kid: string): CryptoKey | undefined;
  /** For the JWKS (RFC 7517): every key that a live token may name, and the next one. */
  publicKeys(): readonly JWK[];
  /** Adds a key that signs an hour from now; the others stay until their last token is gone. */
  rotate(): Promise<void>;
  /** Reads the keys again, and rotates them when it is time; runs by itself every minute. */
  refresh(): Promise<void>;
  close(): void;
}

/** What the keys work with. */
export interface SigningKeysOptions {
  readonly store: SigningKeyStore;
  /** 32 bytes. */
  readonly masterKey: MasterKey;
  readonly logger: Logger;
  readonly now?: () => number;
  /** Age of the newest key, in milliseconds, at which it gets a successor; never by default. */
  readonly rotateAfterMs?: number | undefined;
}

/** How long a key is published before it signs, and after its successor began to. */
export const OVERLAP_MS = 60 * 60_000;
const REFRESH_MS = 60_000;

interface LoadedKey {
  readonly kid: string;
  readonly publicJwk: JWK;
  readonly publicKey: CryptoKey;
  readonly privateKey: KeyObject;
  readonly signFromMs: number;
}

/** Loads the keys, and makes the first one when there is none. Fails when Postgres does not answer. */
export async function openSigningKeys(options: SigningKeysOptions): Promise<SigningKeys> {
  const { store, masterKey, logger, now = Date.now } = options;
  let keys: readonly LoadedKey[] = [];

  const read = async () => {
    const known = new Map(keys.map((key) => [key.kid, key]));
    const stored = await store.list(now());
    keys = await Promise.all(stored.map((key) => known.get(key.kid) ?? loadKey(key, masterKey)));
  };
  const refresh = async () => {
    await read();
    const newest = keys.at(-1);
    const { rotateAfterMs = Number.POSITIVE_INFINITY } = options;
    if (!newest || now() - newest.signFromMs < rotateAfterMs) return;
    const signFromMs = now() + OVERLAP_MS;
    const successor = await makeKey(masterKey, signFromMs);
    await store.addAfter(newest.kid, successor, signFromMs + OVERLAP_MS);
    await read();
    logger.info("the signing key gets a successor", { kid: keys.at(-1)?.kid });
  };
  if ((await store.list(now())).length === 0) await store.addFirst(await makeKey(masterKey, now()));
  await refresh();

  const timer = setInterval(() => {
    refresh().catch((error) => logger.warn("signing keys not refreshed", { error }));
  }, REFRESH_MS);
  timer.unref();

  return {
    signer() {
      const started = keys.filter((key) => key.signFromMs <= now());
      const newest = started.at(-1) ?? keys[0];
      if (!newest) throw new Error("there is no signing key");
      return newest;
    },
    verifier: (kid) => keys.find((key) => key.kid === kid)?.publicKey,
    publicKeys: () => keys.map((key) => key.publicJwk),
    async rotate() {
      const signFromMs = now() + OVERLAP_MS;
      await store.add(await makeKey(masterKey, signFromMs), signFromMs + OVERLAP_MS);
      await refresh();
    },
    refresh,
    close: () => clearInterval(timer),
  };
}

async function makeKey(masterKey: MasterKey, signFromMs: number): Promise<StoredSigningKey> {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const bare = await exportJWK(pair.publicKey);
  const kid = await calculateJwkThumbprint(bare);
  const pkcs8 = pair.privateKey.export({ format: "der", type: "pkcs8" });
  return {
    kid,
    publicJwk: { ...bare, kid, alg: "ES256", use: "sig" },
    sealedPrivateKey: sealSecret(masterKey, pkcs8, contextOf(kid)),
    signFromMs,
  };
}

async function loadKey(stored: StoredSigningKey, masterKey: MasterKey): Promise<LoadedKey> {
  const { kid, publicJwk, signFromMs } = stored;
  const pkcs8 = openSecret(masterKey, stored.sealedPrivateKey, contextOf(kid));
  return {
    kid,
    publicJwk,
    signFromMs,
    publicKey: (await importJWK(publicJwk, "ES256")) as CryptoKey,
    privateKey: createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" }),
  };
}

function contextOf(kid: string): string {
  return `signing_keys/${kid}`;
}
