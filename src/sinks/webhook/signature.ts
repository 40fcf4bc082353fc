import { createHmac } from "node:crypto";

/** Key bytes of a Standard Webhooks secret (`whsec_` and base64 of 24 to 64 bytes), or undefined. */
export function decodeSigningSecret(secret: string): Buffer | undefined {
  const match = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret);
  const key = Buffer.from(match?.[1] ?? "", "base64");
  return match && key.length >= 24 && key.length <= 64 ? key : undefined;
}

/**
 * The value of `webhook-signature` (Standard Webhooks 1.0): `v1,` and base64 of HMAC-SHA256 over
 * `id.timestamp.body`; `timestamp` in seconds.
 */
export function signWebhook(
  key: Uint8Array,
  { id, timestamp, body }: { id: string; timestamp: number; body: Uint8Array },
): string {
  const digest = createHmac("sha256", key)
    .update(`${id}.${timestamp}.`)
    .update(body)
    .digest("base64");
  return `v1,${digest}`;
}
