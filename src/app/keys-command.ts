/** `tributary keys list` and `tributary keys rotate`: the keys that sign access tokens. */
import { createAuditLog } from "../audit/audit-log.ts";
import { createSigningKeyStore } from "../auth/signing-key-store.ts";
import { openSigningKeys, type StoredSigningKey } from "../auth/signing-keys.ts";
import { makeUid } from "../core/uid.ts";
import { createClosers } from "./closers.ts";
import { openCommandDatabase } from "./command-database.ts";
import type { StartOptions } from "./foundations.ts";

/** What the command does. */
export type KeysAction = "list" | "rotate";

/** Does it, also while servers run, and gives the table of keys to print. Fails as a start does. */
export async function runKeysCommand(action: KeysAction, options: StartOptions): Promise<string> {
  const { logger } = options;
  const closers = createClosers(logger);
  try {
    const { database, masterKey } = await openCommandDatabase(options, closers);
    const store = createSigningKeyStore(database);
    if (action === "rotate") {
      const keys = await openSigningKeys({ store, masterKey, logger });
      closers.add("signing keys", keys.close);
      const audit = createAuditLog({ database, logger, makeUid: () => makeUid() });
      closers.add("audit log", audit.close);
      const entry = { method: "tributary keys rotate", resource: "" };
      const intent = await audit.begin(entry);
      await keys.rotate();
      const after = { kids: keys.publicKeys().map(({ kid = "" }) => kid) };
      await audit.record({ ...entry, after, code: "ok" }, intent);
    }
    return formatKeys(await store.list(Date.now()), Date.now());
  } finally {
    await closers.close();
  }
}

/** One line for each key, the oldest first: its id, what it does now, and until when. */
export function formatKeys(keys: readonly StoredSigningKey[], nowMs: number): string {
  const signer = keys.findLast((key) => key.signFromMs <= nowMs) ?? keys[0];
  const lines = keys.map((key) => {
    const state =
      key === signer
        ? `signs since ${timeOf(key.signFromMs)}`
        : key.signFromMs > nowMs
          ? `signs from ${timeOf(key.signFromMs)}`
          : "checks only";
    const end = key.endMs === undefined ? "" : `, leaves at ${timeOf(key.endMs)}`;
    return `${key.kid}  ES256  ${state}${end}\n`;
  });
  return lines.join("") || "no key yet: the first start of a server makes one\n";
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}
