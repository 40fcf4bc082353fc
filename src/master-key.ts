/** The key that encrypts secrets at rest: given, or made once and kept in the data directory. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { masterKeyId } from "./core/envelope.ts";
import { StartError } from "./core/start-error.ts";

/** Where the key comes from. */
export interface MasterKeyOptions {
  /** TRIBUTARY_MASTER_KEY, read. */
  readonly given: Buffer | undefined;
  readonly dataDir: string;
  /** Ids of the keys that sealed what the database holds. */
  readonly usedIds: readonly Uint8Array[];
}

/**
 * 32 bytes. Without a given key it is `<data dir>/master.key` (mode 600), made at the first start.
 * Fails with a StartError when the database holds secrets and the key for them is missing or another:
 * a new one would open none of them.
 */
export function openMasterKey({ given, dataDir, usedIds }: MasterKeyOptions): Buffer {
  const file = join(dataDir, "master.key");
  const key = given ?? readKey(file) ?? (usedIds.length === 0 ? makeKey(dataDir, file) : undefined);
  if (!key) {
    throw new StartError(
      `the master key is missing: the database holds secrets that only it opens; put ${file} back, ` +
        "or set TRIBUTARY_MASTER_KEY",
    );
  }
  if (usedIds.length > 0 && !usedIds.some((id) => masterKeyId(key).equals(id))) {
    throw new StartError(
      `the master key in ${given ? "TRIBUTARY_MASTER_KEY" : file} is not the one that the database's ` +
        "secrets were encrypted with: put that one back",
    );
  }
  return key;
}

function readKey(file: string): Buffer | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const key = Buffer.from(text.trim(), "base64");
  if (key.length !== 32) throw new StartError(`${file} does not hold 32 bytes in base64`);
  return key;
}

function makeKey(dataDir: string, file: string): Buffer | undefined {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  try {
    const text = `${randomBytes(32).toString("base64")}\n`;
    writeFileSync(file, text, { flag: "wx", mode: 0o600, flush: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return readKey(file);
}
