import { createHash } from "node:crypto";

/** 24 hexadecimal digits of SHA-256: for names in the target that tell contents apart. */
export function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 24);
}
