/** What providers of webhooks sign, and where they write it. */
import type { SourceHead } from "../source.ts";

/** What the head of a request says of its signature. */
export interface SignedHead {
  /** The signatures given, decoded: one of them must be right. */
  readonly candidates: readonly Buffer[];
  /** Time in the request; undefined for schemes without one. */
  readonly timeMs?: number;
  /** Bytes that are signed before and behind the body. */
  readonly before: string;
  readonly after: string;
  /** The sender's id of the message, where it is signed. */
  readonly messageId?: string;
}

/** The rules of one provider. */
export interface SignatureScheme {
  readonly algorithm: "sha1" | "sha256" | "sha512";
  /** Headers that hold the signature, in lower case: they are not stored. */
  readonly credentialHeaders: readonly string[];
  /** Reads the head; a text says what is wrong with it. */
  read(head: SourceHead): SignedHead | string;
  /** The key of the HMAC; the secret's own bytes when left out. */
  readonly keyOf?: (secret: Buffer) => Buffer;
}

/** Signatures that one request may carry. */
const CANDIDATES_MAX = 16;

const BYTES = { sha1: 20, sha256: 32, sha512: 64 } as const;

/** A signature in hexadecimal or base64; undefined when it has another form or length. */
export function decodeSignature(
  text: string,
  encoding: "hex" | "base64",
  algorithm: keyof typeof BYTES,
): Buffer | undefined {
  const bytes = BYTES[algorithm];
  if (encoding === "hex") {
    const isHex = text.length === bytes * 2 && /^[0-9a-fA-F]+$/.test(text);
    return isHex ? Buffer.from(text, "hex") : undefined;
  }
  // Node reads what it understands and drops the rest, so the form is judged here.
  const [, digits = ""] = /^([A-Za-z0-9+/_-]+)={0,2}$/.exec(text) ?? [];
  const isBase64 = digits.length === Math.ceil((bytes * 4) / 3);
  return isBase64 ? Buffer.from(digits, "base64") : undefined;
}

/** The value of a header that may stand once. */
export function headerOf(head: SourceHead, name: string): string | undefined {
  const value = head.headers[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A time in seconds since 1970, in milliseconds; undefined for anything else. */
export function readSeconds(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) * 1000 : undefined;
}

/** `X-Hub-Signature-256: sha256=<hex>`. */
export const github: SignatureScheme = {
  algorithm: "sha256",
  credentialHeaders: ["x-hub-signature-256", "x-hub-signature"],
  read(head) {
    const text = headerOf(head, "x-hub-signature-256");
    if (!text) return "the header X-Hub-Signature-256 is missing";
    const hex = text.startsWith("sha256=") ? text.slice("sha256=".length) : "";
    const signature = decodeSignature(hex, "hex", "sha256");
    if (!signature)
      return "the header X-Hub-Signature-256 is not sha256= and 64 hexadecimal digits";
    return { candidates: [signature], before: "", after: "" };
  },
};

/** `Stripe-Signature: t=1492774577,v1=<hex>,v1=<hex>`. */
export const stripe: SignatureScheme = {
  algorithm: "sha256",
  credentialHeaders: ["stripe-signature"],
  read(head) {
    const text = headerOf(head, "stripe-signature");
    if (!text) return "the header Stripe-Signature is missing";
    const pairs = text.split(",").map((pair) => pair.trim().split("=", 2));
    const times = pairs.filter(([name]) => name === "t").map(([, value]) => value);
    const time = times.length === 1 ? times[0] : undefined;
    const timeMs = readSeconds(time);
    if (time === undefined || timeMs === undefined) {
      return "the header Stripe-Signature has no time t=<seconds>";
    }
    const candidates = pairs
      .filter(([name]) => name === "v1")
      .slice(0, CANDIDATES_MAX)
      .flatMap(([, value]) => decodeSignature(value ?? "", "hex", "sha256") ?? []);
    if (candidates.length === 0) return "the header Stripe-Signature has no v1=<64 hex digits>";
    return { candidates, timeMs, before: `${time}.`, after: "" };
  },
};

/** `X-Slack-Signature: v0=<hex>` over `v0:<time>:<body>`. */
export const slack: SignatureScheme = {
  algorithm: "sha256",
  credentialHeaders: ["x-slack-signature"],
  read(head) {
    const text = headerOf(head, "x-slack-signature");
    const time = headerOf(head, "x-slack-request-timestamp");
    if (!text) return "the header X-Slack-Signature is missing";
    const timeMs = readSeconds(time);
    if (timeMs === undefined) return "the header X-Slack-Request-Timestamp is no time in seconds";
    const hex = text.startsWith("v0=") ? text.slice("v0=".length) : "";
    const signature = decodeSignature(hex, "hex", "sha256");
    if (!signature) return "the header X-Slack-Signature is not v0= and 64 hexadecimal digits";
    return { candidates: [signature], timeMs, before: `v0:${time}:`, after: "" };
  },
};

/** `X-Shopify-Hmac-Sha256: <base64>`. */
export const shopify: SignatureScheme = {
  algorithm: "sha256",
  credentialHeaders: ["x-shopify-hmac-sha256"],
  read(head) {
    const text = headerOf(head, "x-shopify-hmac-sha256");
    if (!text) return "the header X-Shopify-Hmac-Sha256 is missing";
    const signature = decodeSignature(text, "base64", "sha256");
    if (!signature) return "the header X-Shopify-Hmac-Sha256 is not 32 bytes in base64";
    return { candidates: [signature], before: "", after: "" };
  },
};

/** Standard Webhooks: `v1,<base64>` signatures over `<id>.<time>.<body>`, separated by spaces. */
export const standardWebhooks: SignatureScheme = {
  algorithm: "sha256",
  credentialHeaders: ["webhook-signature"],
  keyOf: (secret) => {
    const text = secret.toString();
    return text.startsWith("whsec_") ? Buffer.from(text.slice("whsec_".length), "base64") : secret;
  },
  read(head) {
    const id = headerOf(head, "webhook-id");
    const time = headerOf(head, "webhook-timestamp");
    const text = headerOf(head, "webhook-signature");
    if (!id || !text) return "the headers webhook-id and webhook-signature are needed";
    const timeMs = readSeconds(time);
    if (timeMs === undefined) return "the header webhook-timestamp is no time in seconds";
    const candidates = text
      .split(" ")
      .filter((part) => part.startsWith("v1,"))
      .slice(0, CANDIDATES_MAX)
      .flatMap((part) => decodeSignature(part.slice("v1,".length), "base64", "sha256") ?? []);
    if (candidates.length === 0) return "the header webhook-signature has no v1,<base64>";
    return { candidates, timeMs, before: `${id}.${time}.`, after: "", messageId: id };
  },
};
