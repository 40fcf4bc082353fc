/** Master keys that a key management service holds the key to: wrapped in the database, open in memory. */
import { randomBytes } from "node:crypto";
import { createLocalKeys, type KeyProvider, masterKeyId } from "../core/envelope.ts";
import type { KeyManagement } from "../core/key-management.ts";
import type { Logger } from "../core/logger.ts";
import { StartError } from "../core/start-error.ts";
import type { Database } from "../db/client.ts";
import { addWrappedKey, listWrappedKeys, type WrappedKey } from "../db/managed-key-store.ts";

/** What they are made of. Times in milliseconds. */
export interface ManagedKeysOptions {
  readonly kms: KeyManagement;
  readonly database: Database;
  readonly logger: Logger;
  /** Keys that are at hand without the service: they open what was sealed before it was used. */
  readonly localKeys: () => readonly Uint8Array[];
  /** Ids of the keys that sealed what the database holds. */
  readonly usedIds: readonly Uint8Array[];
  readonly now?: () => number;
  readonly refreshMs?: number;
}

/** The keys, open until they are closed. */
export interface ManagedKeys {
  readonly keys: KeyProvider;
  close(): Promise<void>;
}

const REFRESH_MS = 3_000;
/** Age at which a key is used for what is new: by then every node has read it. */
export const SPREAD_MS = 10_000;

interface OpenKey {
  readonly id: Buffer;
  readonly key: Uint8Array;
  readonly usableAtMs: number;
}

/**
 * Opens all keys, and makes the first one where there is none. Fails with a StartError when the
 * service does not open them, or the database holds secrets of a key that is nowhere.
 */
export async function openManagedKeys(options: ManagedKeysOptions): Promise<ManagedKeys> {
  const { kms, database, logger, localKeys, usedIds, now = Date.now } = options;
  const open = new Map<string, OpenKey>();
  const refresh = async () => {
    for (const wrapped of await listWrappedKeys(database)) {
      const name = Buffer.from(wrapped.id).toString("hex");
      if (!open.has(name)) open.set(name, await unwrapKey(kms, wrapped, now()));
    }
  };
  try {
    await refresh();
    if (open.size === 0) {
      await addKey(database, kms, { isFirst: true });
      await refresh();
    }
  } catch (cause) {
    const { message } = cause as Error;
    throw new StartError(
      `TRIBUTARY_KMS_KEY: ${kms.name} does not open the master keys: ${message}`,
      {
        cause,
      },
    );
  }
  const read = () => {
    const all = [...open.values()];
    const usable = all.findLast((each) => each.usableAtMs <= now()) ?? all[0]!;
    return [usable, ...all.filter((each) => each !== usable)]
      .map((each) => each.key)
      .concat(localKeys());
  };
  const missing = usedIds.find((id) => !read().some((key) => masterKeyId(key).equals(id)));
  if (missing) {
    throw new StartError(
      `no key of ${kms.name} opens the database's secrets: set TRIBUTARY_MASTER_KEY_PREVIOUS to the ` +
        "master key that was used before, or put its file back, and run `tributary keys rotate-master`",
    );
  }
  let refreshing = Promise.resolve();
  const timer = setInterval(() => {
    refreshing = refreshing.then(refresh).catch((error: unknown) => {
      logger.warn("master keys could not be read", { error });
    });
  }, options.refreshMs ?? REFRESH_MS);
  timer.unref();
  return {
    keys: createLocalKeys(read),
    async close() {
      clearInterval(timer);
      await refreshing;
    },
  };
}

/** Makes a new key, which every node knows `SPREAD_MS` later. Gives its id. */
export async function addKey(
  database: Database,
  kms: KeyManagement,
  options?: { readonly isFirst: boolean },
): Promise<Uint8Array> {
  const key = randomBytes(32);
  const id = masterKeyId(key);
  await addWrappedKey(database, { id, kmsKey: kms.name, wrapped: await kms.wrap(key) }, options);
  return id;
}

async function unwrapKey(
  kms: KeyManagement,
  { id, kmsKey, wrapped, ageMs }: WrappedKey,
  nowMs: number,
): Promise<OpenKey> {
  if (kmsKey !== kms.name) throw new Error(`a key was wrapped by ${kmsKey}`);
  const key = await kms.unwrap(wrapped);
  if (!masterKeyId(key).equals(id))
    throw new Error("what it opens is not the key that was wrapped");
  return { id: Buffer.from(id), key, usableAtMs: nowMs + SPREAD_MS - ageMs };
}
