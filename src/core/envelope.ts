/**
 * Secrets at rest: AES-256-GCM under a data key of its own, which is wrapped by the installation's
 * master key. The context (such as `signing_keys/<id>`, with the project where there is one) is
 * authenticated with it, so a value moved to another row does not open.
 *
 * Layout: format (1 byte, 2), id of the master key (4 bytes), length of the wrapped data key (2),
 * wrapped data key, nonce (12), ciphertext, tag (16). Format 1 has no data key: id of the master key,
 * nonce, and ciphertext under the master key itself. It is read, and no longer written.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";

const FORMAT = 2;
const OLD_FORMAT = 1;
const KEY_ID_BYTES = 4;
const LENGTH_BYTES = 2;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const OLD_HEAD_BYTES = 1 + KEY_ID_BYTES;
const HEAD_BYTES = OLD_HEAD_BYTES + LENGTH_BYTES;
const WRAP_CONTEXT = "data-key";

/** Wraps data keys. The local one below holds the master key; another may ask a KMS. */
export interface KeyProvider {
  /** 4 bytes that tell its current key apart. */
  readonly id: Uint8Array;
  /** Encrypts a data key of 32 bytes under the current key. */
  wrap(dataKey: Uint8Array): Uint8Array;
  /** The data key again; undefined when the key of this id is not at hand. */
  unwrap(id: Uint8Array, wrapped: Uint8Array): Uint8Array | undefined;
  /** The master key of this id: it sealed values of format 1, and other keys are derived from it. */
  oldKey(id: Uint8Array): Uint8Array | undefined;
}

/** What seals and opens: a provider, or the 32 bytes of one local key. */
export type MasterKey = KeyProvider | Uint8Array;

/**
 * Keys that this process holds: the first one wraps, all of them unwrap. `read` is asked before each
 * wrap, and when a value names a key that is not among them: a rotation may have made it meanwhile.
 */
export function createLocalKeys(read: () => readonly Uint8Array[]): KeyProvider {
  let keys = describe(read());
  const find = (id: Uint8Array): Uint8Array | undefined => {
    const search = () => keys.find((key) => key.id.equals(id))?.key;
    const found = search();
    if (found) return found;
    keys = describe(read());
    return search();
  };
  return {
    get id() {
      return keys[0]!.id;
    },
    wrap(dataKey) {
      keys = describe(read());
      return encrypt(keys[0]!.key, dataKey, WRAP_CONTEXT);
    },
    unwrap(id, wrapped) {
      const key = find(id);
      return key && decrypt(key, wrapped, WRAP_CONTEXT);
    },
    oldKey: find,
  };
}

/** Encrypts; `context` says what and whose the secret is. */
export function sealSecret(masterKey: MasterKey, plain: Uint8Array, context: string): Buffer {
  const dataKey = randomBytes(KEY_BYTES);
  return pack(providerOf(masterKey), dataKey, encrypt(dataKey, plain, context));
}

/** Decrypts what `sealSecret` made. Throws when the key, the context or a byte differs. */
export function openSecret(masterKey: MasterKey, sealed: Uint8Array, context: string): Buffer {
  try {
    const { dataKey, content } = unpack(providerOf(masterKey), sealed);
    return decrypt(dataKey, content, context);
  } catch (cause) {
    if (cause instanceof SealError) throw new Error(`${context}: ${cause.message}`, { cause });
    throw new Error(`${context}: the sealed secret was changed or moved`, { cause });
  }
}

/**
 * The same secret with its data key wrapped by the provider's current key; the ciphertext stays as it
 * is. A value of format 1 becomes one whose data key is the master key that sealed it.
 */
export function rewrapSecret(provider: KeyProvider, sealed: Uint8Array): Buffer {
  const { dataKey, content } = unpack(provider, sealed);
  return pack(provider, dataKey, content);
}

/** The 32 bytes of the current key, for keys that are derived from it. */
export function currentKeyOf(masterKey: MasterKey): Uint8Array {
  const provider = providerOf(masterKey);
  return known(provider.oldKey(provider.id));
}

/** 4 bytes that tell master keys apart and give nothing of them away. */
export function masterKeyId(masterKey: Uint8Array): Buffer {
  return createHash("sha256")
    .update("master-key-id")
    .update(masterKey)
    .digest()
    .subarray(0, KEY_ID_BYTES);
}

class SealError extends Error {
  override readonly name = "SealError";
}

function providerOf(masterKey: MasterKey): KeyProvider {
  return masterKey instanceof Uint8Array ? createLocalKeys(() => [masterKey]) : masterKey;
}

function describe(keys: readonly Uint8Array[]) {
  return keys.map((key) => ({ key, id: masterKeyId(key) }));
}

function pack(provider: KeyProvider, dataKey: Uint8Array, content: Uint8Array): Buffer {
  // First, as it may bring a newer key.
  const wrapped = provider.wrap(dataKey);
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(wrapped.length);
  return Buffer.concat([Buffer.from([FORMAT]), provider.id, length, wrapped, content]);
}

function unpack(provider: KeyProvider, sealed: Uint8Array) {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const id = bytes.subarray(1, OLD_HEAD_BYTES);
  if (bytes[0] === OLD_FORMAT) {
    return { dataKey: known(provider.oldKey(id)), content: bytes.subarray(OLD_HEAD_BYTES) };
  }
  if (bytes[0] !== FORMAT || bytes.length < HEAD_BYTES) {
    throw new SealError(`not a sealed secret of format ${FORMAT}`);
  }
  const end = HEAD_BYTES + bytes.readUInt16BE(OLD_HEAD_BYTES);
  const dataKey = known(provider.unwrap(id, bytes.subarray(HEAD_BYTES, end)));
  return { dataKey, content: bytes.subarray(end) };
}

function known(key: Uint8Array | undefined): Uint8Array {
  if (!key) throw new SealError("sealed with another master key");
  return key;
}

function encrypt(key: Uint8Array, plain: Uint8Array, context: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(Buffer.from(context));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Uint8Array, content: Uint8Array, context: string): Buffer {
  if (content.length < NONCE_BYTES + TAG_BYTES) throw new Error("too short");
  const nonce = content.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(content.subarray(-TAG_BYTES));
  return Buffer.concat([
    decipher.update(content.subarray(NONCE_BYTES, -TAG_BYTES)),
    decipher.final(),
  ]);
}
