/** The key that encrypts secrets at rest: given, or made once and kept in the data directory. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createLocalKeys, type KeyProvider, masterKeyId } from "./core/envelope.ts";
import { StartError } from "./core/start-error.ts";

/** Where the key comes from. */
export interface MasterKeyOptions {
  /** TRIBUTARY_MASTER_KEY, read. */
  readonly given: Buffer | undefined;
  /** TRIBUTARY_MASTER_KEY_PREVIOUS, read: accepted beside the other one, and used for nothing new. */
  readonly previous?: Buffer | undefined;
  readonly dataDir: string;
  /** Ids of the keys that sealed what the database holds. */
  readonly usedIds: readonly Uint8Array[];
}

/**
 * The keys of 32 bytes. Without a given one it is `<data dir>/master.key` (mode 600), made at the
 * first start; the one that a rotation replaced stays beside it as `master.key.previous`.
 * Fails with a StartError when the database holds secrets and the key for them is missing or another:
 * a new one would open none of them.
 */
export function openMasterKey(options: MasterKeyOptions): KeyProvider {
  const { given, dataDir, usedIds } = options;
  const file = keyFile(dataDir);
  const key = given ?? readKey(file) ?? (usedIds.length === 0 ? makeKey(dataDir) : undefined);
  if (!key) {
    throw new StartError(
      `the master key is missing: the database holds secrets that only it opens; put ${file} back, ` +
        "or set TRIBUTARY_MASTER_KEY",
    );
  }
  const read = () => readLocalKeys(options);
  const isOurs = (id: Uint8Array) => read().some((each) => masterKeyId(each).equals(id));
  if (usedIds.length > 0 && !usedIds.every(isOurs)) {
    throw new StartError(
      `the master key in ${given ? "TRIBUTARY_MASTER_KEY" : file} is not the one that the database's ` +
        "secrets were encrypted with: put that one back, or set TRIBUTARY_MASTER_KEY_PREVIOUS to it",
    );
  }
  return createLocalKeys(read);
}

/** The keys that this node holds itself, the current one first; none where another place holds them. */
export function readLocalKeys({
  given,
  previous,
  dataDir,
}: Omit<MasterKeyOptions, "usedIds">): readonly Uint8Array[] {
  const all = given
    ? [given, previous]
    : [readKey(keyFile(dataDir)), readKey(previousFile(dataDir)), previous];
  return all.filter((each) => each !== undefined);
}

/**
 * Puts a new key in place of the one in the data directory, which stays as the previous one. Servers
 * that run read it when they meet a secret under it.
 */
export function replaceMasterKey(dataDir: string): void {
  const file = keyFile(dataDir);
  const text = readFileSync(file, "utf8");
  writeFileSync(previousFile(dataDir), text, { mode: 0o600, flush: true });
  const made = `${file}.new`;
  writeFileSync(made, keyText(), { mode: 0o600, flush: true });
  renameSync(made, file);
}

const keyFile = (dataDir: string) => join(dataDir, "master.key");
const previousFile = (dataDir: string) => `${keyFile(dataDir)}.previous`;
const keyText = () => `${randomBytes(32).toString("base64")}\n`;

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

function makeKey(dataDir: string): Buffer | undefined {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  try {
    writeFileSync(keyFile(dataDir), keyText(), { flag: "wx", mode: 0o600, flush: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return readKey(keyFile(dataDir));
}
