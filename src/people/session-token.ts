/** What a session cookie holds: 256 random bits, and a mark that shows without a look-up who made it. */
import { createHash, createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";

/** Makes and recognises sessions of this installation. */
export interface SessionTokens {
  make(): string;
  /** Whether this installation made it: floods of invented sessions never reach the database. */
  isOurs(token: string): boolean;
}

const FORM = /^([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{22})$/;

/** Makes them with a key of their own under the master key. */
export function createSessionTokens(masterKey: Uint8Array): SessionTokens {
  const key = Buffer.from(hkdfSync("sha256", masterKey, "", "tributary sessions", 32));
  const markOf = (random: string) =>
    createHmac("sha256", key).update(random).digest().subarray(0, 16);
  return {
    make() {
      const random = randomBytes(32).toString("base64url");
      return `${random}.${markOf(random).toString("base64url")}`;
    },
    isOurs(token) {
      const [, random = "", mark = ""] = FORM.exec(token) ?? [];
      const given = Buffer.from(mark, "base64url");
      return given.length === 16 && timingSafeEqual(given, markOf(random));
    },
  };
}

/** What is stored of a session or an invitation: no slow hash, as it is of 256 random bits. */
export function sha256Of(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
