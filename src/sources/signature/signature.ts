/** A signature over the raw body, as providers of webhooks make it (B08). */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { durationMs } from "@bufbuild/protobuf/wkt";
import {
  SignatureAuthentication_Scheme as Scheme,
  type SignatureAuthentication,
} from "#gen/tributary/management/v1/source_pb.js";
import type { SourceKeyDefinition } from "../../core/definitions.ts";
import { type FieldViolation, fail } from "../../core/errors.ts";
import type { AuthenticationType, Sender } from "../source.ts";
import { isValid } from "../source-key.ts";
import { checkHmacRules, hmacScheme } from "./hmac.ts";
import {
  github,
  type SignatureScheme,
  type SignedHead,
  shopify,
  slack,
  standardWebhooks,
  stripe,
} from "./scheme.ts";

const TOLERANCE_MS = 5 * 60_000;
const SECRET_BYTES_MIN = 8;

const PROVIDERS: Readonly<Partial<Record<Scheme, SignatureScheme>>> = {
  [Scheme.GITHUB]: github,
  [Scheme.STRIPE]: stripe,
  [Scheme.SLACK]: slack,
  [Scheme.SHOPIFY]: shopify,
  [Scheme.STANDARD_WEBHOOKS]: standardWebhooks,
};

/** The kind `signature`. */
export const signature: AuthenticationType<SignatureAuthentication> = {
  keeps: "secret",
  check({ scheme, hmac, secret }) {
    const violations: FieldViolation[] = [];
    if (secret !== "") violations.push(...checkSigningSecret("secret", secret));
    if (scheme === Scheme.HMAC && !hmac) {
      violations.push({ field: "hmac", description: "is needed for the scheme HMAC" });
    } else if (scheme !== Scheme.HMAC && hmac) {
      violations.push({ field: "hmac", description: "is for the scheme HMAC alone" });
    } else if (hmac) violations.push(...checkHmacRules(hmac));
    return violations;
  },
  open(config, { keys }) {
    const scheme = PROVIDERS[config.scheme] ?? (config.hmac && hmacScheme(config.hmac));
    if (!scheme) throw new Error(`no scheme ${config.scheme}`);
    const toleranceMs = config.tolerance ? durationMs(config.tolerance) : TOLERANCE_MS;
    return {
      credentialHeaders: scheme.credentialHeaders,
      // What the head alone tells is refused before the body is read.
      admit(head) {
        readSigned(scheme, head, toleranceMs);
        return undefined;
      },
      verify(head, body) {
        const signed = readSigned(scheme, head, toleranceMs);
        const valid = keys.filter((key) => isValid(key, head.nowMs));
        return verifySigned({ scheme, signed, keys: valid, toleranceMs }, body);
      },
    };
  },
};

/** What is wrong with a signing secret that somebody chose. */
export function checkSigningSecret(field: string, secret: string): FieldViolation[] {
  if (Buffer.byteLength(secret) >= SECRET_BYTES_MIN) return [];
  return [{ field, description: `a signing secret has at least ${SECRET_BYTES_MIN} bytes` }];
}

function readSigned(
  scheme: SignatureScheme,
  head: Parameters<SignatureScheme["read"]>[0],
  toleranceMs: number,
): SignedHead {
  const signed = scheme.read(head);
  if (typeof signed === "string") throw fail("SIGNATURE_INVALID", signed);
  const { timeMs } = signed;
  if (timeMs !== undefined && Math.abs(head.nowMs - timeMs) > toleranceMs) {
    const word = timeMs < head.nowMs ? "past" : "future";
    const text = `the time in the request is more than ${toleranceMs / 1000} s in the ${word}`;
    throw fail("SIGNATURE_INVALID", text);
  }
  return signed;
}

interface Verification {
  readonly scheme: SignatureScheme;
  readonly signed: SignedHead;
  readonly keys: readonly SourceKeyDefinition[];
  readonly toleranceMs: number;
}

function verifySigned(
  { scheme, signed, keys, toleranceMs }: Verification,
  body: Uint8Array,
): Sender {
  let found: { readonly keyUid: string; readonly mac: Buffer } | undefined;
  for (const { uid, secret } of keys) {
    if (!secret) continue;
    const bytes = Buffer.from(secret);
    const mac = createHmac(scheme.algorithm, scheme.keyOf?.(bytes) ?? bytes)
      .update(signed.before)
      .update(body)
      .update(signed.after)
      .digest();
    for (const candidate of signed.candidates) {
      if (timingSafeEqual(candidate, mac)) found = { keyUid: uid, mac };
    }
  }
  if (!found) throw fail("SIGNATURE_INVALID", "the signature does not fit the body and the secret");
  const { timeMs, messageId } = signed;
  if (timeMs === undefined) return { keyUid: found.keyUid };
  // Of one length, whatever the sender calls its message.
  const id = createHash("sha256")
    .update(messageId ?? found.mac)
    .digest("base64url");
  return { keyUid: found.keyUid, replay: { id, untilMs: timeMs + toleranceMs } };
}
