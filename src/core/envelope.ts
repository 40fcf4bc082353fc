/**
 * Secrets at rest: AES-256-GCM under the installation's master key. The context (such as
 * `signing_keys/<id>`) is authenticated with it, so a value moved to another row does not open.
 *
 * Layout: format (1 byte, 1), id of the master key (4 bytes), nonce (12), ciphertext, tag (16).
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";

const FORMAT = 1;
const KEY_ID_BYTES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = 1 + KEY_ID_BYTES + NONCE_BYTES;

/** Encrypts; `masterKey` has 32 bytes, `context` says what and whose the secret is. */
export function sealSecret(masterKey: Uint8Array, plain: Uint8Array, context: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", masterKey, nonce);
  cipher.setAAD(Buffer.from(context));
  return Buffer.concat([
    Buffer.from([FORMAT]),
    masterKeyId(masterKey),
    nonce,
    cipher.update(plain),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
}

/** Decrypts what `sealSecret` made. Throws when the key, the context or a byte differs. */
export function openSecret(masterKey: Uint8Array, sealed: Uint8Array, context: string): Buffer {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  if (bytes.length < HEAD_BYTES + TAG_BYTES || bytes[0] !== FORMAT) {
    throw new Error(`${context}: not a sealed secret of format ${FORMAT}`);
  }
  if (!bytes.subarray(1, 1 + KEY_ID_BYTES).equals(masterKeyId(masterKey))) {
    throw new Error(`${context}: sealed with another master key`);
  }
  const nonce = bytes.subarray(1 + KEY_ID_BYTES, HEAD_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", masterKey, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([
      decipher.update(bytes.subarray(HEAD_BYTES, -TAG_BYTES)),
      decipher.final(),
    ]);
  } catch (cause) {
    throw new Error(`${context}: the sealed secret was changed or moved`, { cause });
  }
}

/** 4 bytes that tell master keys apart and give nothing of them away. */
export function masterKeyId(masterKey: Uint8Array): Buffer {
  return createHash("sha256").update("master-key-id").update(masterKey).digest().subarray(0, 4);
}
