/** `tributary keys rotate-master`: secrets at rest under a new master key. */
import { createAuditLog } from "../audit/audit-log.ts";
import { rewrapSecret } from "../core/envelope.ts";
import { StartError } from "../core/start-error.ts";
import { makeUid } from "../core/uid.ts";
import { readMasterKeyIds, rewrapSealed } from "../db/sealed-keys.ts";
import { openMasterKey, replaceMasterKey } from "../master-key.ts";
import { createClosers } from "./closers.ts";
import { openCommandDatabase } from "./command-database.ts";
import type { StartOptions } from "./foundations.ts";

/**
 * Wraps all data keys anew, also while servers run, and says how many. Without TRIBUTARY_MASTER_KEY
 * it makes the new key in the data directory; with it, the old one must be given as
 * TRIBUTARY_MASTER_KEY_PREVIOUS. Fails as a start does. May be run again when it was cut off.
 */
export async function runMasterKeyCommand(options: StartOptions): Promise<string> {
  const { config, logger } = options;
  const closers = createClosers(logger);
  try {
    const { database } = await openCommandDatabase(options, closers);
    const audit = createAuditLog({ database, logger, makeUid: () => makeUid() });
    closers.add("audit log", audit.close);
    const given = config.TRIBUTARY_MASTER_KEY;
    const previous = config.TRIBUTARY_MASTER_KEY_PREVIOUS;
    if (given && !previous) {
      throw new StartError(
        "set TRIBUTARY_MASTER_KEY to the new key and TRIBUTARY_MASTER_KEY_PREVIOUS to the old one, " +
          "on every node first",
      );
    }
    const entry = { method: "tributary keys rotate-master", resource: "" };
    const intent = await audit.begin(entry);
    const usedIds = await readMasterKeyIds(database);
    const open = () => openMasterKey({ given, previous, dataDir: config.dataDir, usedIds });
    // A run that was cut off left secrets of two keys: it is finished with the newer one.
    if (!given && usedIds.length < 2) {
      open();
      replaceMasterKey(config.dataDir);
    }
    const keys = open();
    const counts = await rewrapSealed(database, keys.id, (sealed) => rewrapSecret(keys, sealed));
    await audit.record({ ...entry, after: Object.fromEntries(counts), code: "ok" }, intent);
    const lines = [...counts].map(([column, count]) => `  ${column}  ${count}\n`);
    return `all secrets are under the current master key; changed now:\n${lines.join("")}`;
  } finally {
    await closers.close();
  }
}
