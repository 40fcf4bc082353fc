/** Signatures of Standard Webhooks 1.0: `v1` by a shared secret, `v1a` by an Ed25519 key (RFC 8032). */
import { createHmac, createPrivateKey, sign } from "node:crypto";

/** Signs `id.timestamp.body`; gives one entry of `webhook-signature`. */
export type WebhookSigner = (content: readonly Uint8Array[]) => string;

/** PKCS #8 of an Ed25519 key up to its 32 bytes (RFC 8410, section 7). */
const ED25519_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");

/**
 * The signer of a secret: `whsec_` and base64 of 24 to 64 bytes, or `whsk_` and base64 of an Ed25519
 * private key (32 bytes, or 64 with the public half behind it). Undefined when it is neither.
 */
export function signerOf(secret: string): WebhookSigner | undefined {
  const match = /^(whsec|whsk)_([A-Za-z0-9+/]+={0,2})$/.exec(secret);
  if (!match) return undefined;
  const key = Buffer.from(match[2]!, "base64");
  if (match[1] === "whsk") return key.length === 32 || key.length === 64 ? ed25519(key) : undefined;
  return key.length >= 24 && key.length <= 64 ? hmac(key) : undefined;
}

function hmac(key: Uint8Array): WebhookSigner {
  return (content) => {
    const hash = createHmac("sha256", key);
    for (const part of content) hash.update(part);
    return `v1,${hash.digest("base64")}`;
  };
}

function ed25519(bytes: Uint8Array): WebhookSigner {
  const der = Buffer.concat([ED25519_HEAD, bytes.subarray(0, 32)]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return (content) => `v1a,${sign(null, Buffer.concat(content), key).toString("base64")}`;
}

/** What is signed; `timestamp` in seconds. */
export interface SignedRequest {
  readonly id: string;
  readonly timestamp: number;
  readonly body: Uint8Array;
}

/** The value of `webhook-signature`: one entry for each signer, as while a secret is changed. */
export function signWebhook(
  signers: readonly WebhookSigner[],
  { id, timestamp, body }: SignedRequest,
): string {
  const content = [Buffer.from(`${id}.${timestamp}.`), body];
  return signers.map((signer) => signer(content)).join(" ");
}
