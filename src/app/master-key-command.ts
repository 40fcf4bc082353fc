/** `tributary keys rotate-master`: secrets at rest under a new master key. */
import { setTimeout as sleep } from "node:timers/promises";
import { createAuditLog } from "../audit/audit-log.ts";
import { type KeyProvider, rewrapSecret } from "../core/envelope.ts";
import type { KeyManagement } from "../core/key-management.ts";
import { StartError } from "../core/start-error.ts";
import { makeUid } from "../core/uid.ts";
import type { Database } from "../db/client.ts";
import { listWrappedKeys, removeWrappedKeys } from "../db/managed-key-store.ts";
import { readMasterKeyIds, rewrapSealed } from "../db/sealed-keys.ts";
import { openMasterKey, readLocalKeys, replaceMasterKey } from "../master-key.ts";
import { type Closers, createClosers } from "./closers.ts";
import { openCommandDatabase } from "./command-database.ts";
import { kmsOf, localKeyOptions, type StartOptions } from "./foundations.ts";
import { addKey, openManagedKeys, SPREAD_MS } from "./managed-keys.ts";

/**
 * Wraps all data keys anew, also while servers run, and says how many. Without TRIBUTARY_MASTER_KEY
 * it makes the new key in the data directory; with it, the old one must be given as
 * TRIBUTARY_MASTER_KEY_PREVIOUS; with TRIBUTARY_KMS_KEY it makes the new key there. Fails as a start
 * does. May be run again when it was cut off.
 */
export async function runMasterKeyCommand(options: StartOptions): Promise<string> {
  const { config, logger } = options;
  const closers = createClosers(logger);
  try {
    const kms = kmsOf(config);
    const { TRIBUTARY_MASTER_KEY: given, TRIBUTARY_MASTER_KEY_PREVIOUS: previous } = config;
    const { database } = await openCommandDatabase(options, closers);
    if (given && !previous) {
      throw new StartError(
        "set TRIBUTARY_MASTER_KEY to the new key and TRIBUTARY_MASTER_KEY_PREVIOUS to the old one, " +
          "on every node first",
      );
    }
    const audit = createAuditLog({ database, logger, makeUid: () => makeUid() });
    closers.add("audit log", audit.close);
    const entry = { method: "tributary keys rotate-master", resource: "" };
    const intent = await audit.begin(entry);
    const keys = kms
      ? await renewManaged(options, { database, kms, closers })
      : await renewLocal(options, database);
    const counts = await rewrapSealed(database, keys.id, (sealed) => rewrapSecret(keys, sealed));
    if (kms) await removeOldKeys(database);
    await audit.record({ ...entry, after: Object.fromEntries(counts), code: "ok" }, intent);
    const lines = [...counts].map(([column, count]) => `  ${column}  ${count}\n`);
    return `all secrets are under the current master key; changed now:\n${lines.join("")}`;
  } finally {
    await closers.close();
  }
}

async function renewLocal({ config }: StartOptions, database: Database): Promise<KeyProvider> {
  const usedIds = await readMasterKeyIds(database);
  const open = () => openMasterKey({ ...localKeyOptions(config), usedIds });
  // A run that was cut off left secrets of two keys: it is finished with the newer one.
  if (!config.TRIBUTARY_MASTER_KEY && usedIds.length < 2) {
    open();
    replaceMasterKey(config.dataDir);
  }
  return open();
}

/**
 * A new key only where all secrets are under the newest: else a run was cut off, or they are under a
 * key of before the service was used.
 */
async function renewManaged(
  { config, logger }: StartOptions,
  { database, kms, closers }: { database: Database; kms: KeyManagement; closers: Closers },
): Promise<KeyProvider> {
  const usedIds = await readMasterKeyIds(database);
  const newest = (await listWrappedKeys(database)).at(-1);
  if (newest && usedIds.every((id) => Buffer.from(id).equals(newest.id))) {
    await addKey(database, kms);
    await sleep(SPREAD_MS);
  } else if (newest) await sleep(Math.max(0, SPREAD_MS - newest.ageMs));
  const localKeys = () => readLocalKeys(localKeyOptions(config));
  const opened = await openManagedKeys({ kms, database, logger, localKeys, usedIds });
  closers.add("new master keys", opened.close);
  return opened.keys;
}

/** The one before stays, for what a server derived from it. */
async function removeOldKeys(database: Database): Promise<void> {
  const all = await listWrappedKeys(database);
  await removeWrappedKeys(
    database,
    all.slice(0, -2).map(({ id }) => id),
  );
}
