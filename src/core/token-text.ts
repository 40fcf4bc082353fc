/**
 * The text of personal and service tokens: `trib_`, a letter for the kind, the uid, 43 characters of
 * secret and 6 of checksum. The checksum lets secret scanners tell a token from noise offline, and
 * lets us refuse a mistyped one without a look-up; it protects nothing.
 */
import { createHash, randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import { makeUid } from "./uid.ts";

/** What a token is for. */
export type TokenKind = "personal" | "service";

/** A token's text, and what is stored of it. */
export interface TokenText {
  readonly kind: TokenKind;
  /** By which it is looked up; no secret. */
  readonly uid: string;
  /** The token itself: never stored or logged. */
  readonly text: string;
  /** SHA-256 of the text. A hash without salt is enough for 256 bits of randomness. */
  readonly sha256: Buffer;
}

/** Beginning of every token. */
export const TOKEN_PREFIX = "trib_";

const LETTERS = { personal: "p", service: "s" } as const;
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_BYTES = 32;
/** Digits that 256 bits take in base 62. */
const SECRET_DIGITS = 43;
/** Digits that 32 bits take in base 62. */
const CHECKSUM_DIGITS = 6;
const FORM = /^trib_([ps])([a-z][a-z0-9]{19})[0-9A-Za-z]{43}([0-9A-Za-z]{6})$/;

/** A new token, or a new secret for the one with this uid. */
export function makeTokenText(kind: TokenKind, uid = makeUid()): TokenText {
  const secret = toBase62(BigInt(`0x${randomBytes(SECRET_BYTES).toString("hex")}`), SECRET_DIGITS);
  const body = `${tokenPrefix(kind, uid)}${secret}`;
  return describe(kind, uid, body + checksumOf(body));
}

/** The parts of a token; undefined for a text of another form or with a wrong checksum. */
export function readTokenText(text: string): TokenText | undefined {
  const [, letter, uid, checksum] = FORM.exec(text) ?? [];
  if (uid === undefined || checksumOf(text.slice(0, -CHECKSUM_DIGITS)) !== checksum)
    return undefined;
  return describe(letter === LETTERS.personal ? "personal" : "service", uid, text);
}

/** What may be shown of a token: all but its secret. */
export function tokenPrefix(kind: TokenKind, uid: string): string {
  return `${TOKEN_PREFIX}${LETTERS[kind]}${uid}`;
}

function describe(kind: TokenKind, uid: string, text: string): TokenText {
  return { kind, uid, text, sha256: createHash("sha256").update(text).digest() };
}

function checksumOf(body: string): string {
  return toBase62(BigInt(crc32(body)), CHECKSUM_DIGITS);
}

function toBase62(value: bigint, digits: number): string {
  let text = "";
  for (let rest = value; text.length < digits; rest /= 62n)
    text = DIGITS[Number(rest % 62n)] + text;
  return text;
}
