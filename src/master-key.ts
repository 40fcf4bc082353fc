/** The key that encrypts secrets at rest: given, or made once and kept in the data directory. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * 32 bytes. Without a given key it is `<data dir>/master.key` (mode 600), made at the first start.
 */
export function openMasterKey(options: {
  readonly given: Buffer | undefined;
  readonly dataDir: string;
}): Buffer {
  if (options.given) return options.given;
  const file = join(options.dataDir, "master.key");
  mkdirSync(options.dataDir, { recursive: true });
  try {
    const text = `${randomBytes(32).toString("base64")}\n`;
    writeFileSync(file, text, { flag: "wx", mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const key = Buffer.from(readFileSync(file, "utf8").trim(), "base64");
  if (key.length !== 32) throw new Error(`${file} does not hold 32 bytes in base64`);
  return key;
}
