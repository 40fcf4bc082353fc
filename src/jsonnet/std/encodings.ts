/** Bytes: UTF-8, base64, hashes. */
import { createHash } from "node:crypto";
import { runtimeFault } from "../errors.ts";
import { allocate, allocateItems, scan } from "../meter.ts";
import { type Item, itemAt, type Value } from "../value.ts";
import { asArray, asText, wrong } from "./check.ts";
import { native, type StdFunctions } from "./native.ts";

export const ENCODING_FUNCTIONS: StdFunctions = {
  encodeUTF8: native("str", (str: Value) => toItems(encode(asText(str)))),
  decodeUTF8: native("arr", (arr: Value) => decode(toBytes(asArray(arr)))),
  base64: native("input", base64),
  base64Decode: native("str", (str: Value) => decode(fromBase64(asText(str)))),
  base64DecodeBytes: native("str", (str: Value) => toItems(fromBase64(asText(str)))),
  md5: hash("md5"),
  sha1: hash("sha1"),
  sha256: hash("sha256"),
  sha512: hash("sha512"),
  sha3: hash("sha3-512"),
};

function hash(algorithm: string) {
  return native("s", (s: Value) => {
    const bytes = encode(asText(s));
    // Making a hash takes a while, however short the text is.
    scan(bytes.length * 4 + 64 * 20);
    return createHash(algorithm).update(bytes).digest("hex");
  });
}

function encode(text: string): Uint8Array {
  allocate(text.length * 3);
  scan(text.length);
  return new TextEncoder().encode(text);
}

function decode(bytes: Uint8Array): string {
  allocate(bytes.length);
  scan(bytes.length * 2);
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

function toItems(bytes: Uint8Array): number[] {
  allocateItems(bytes.length);
  return Array.from(bytes);
}

function toBytes(items: Item[]): Uint8Array {
  allocateItems(items.length);
  return Uint8Array.from(items, (_, i) => {
    const byte = itemAt(items, i);
    if (typeof byte === "number" && Number.isInteger(byte) && byte >= 0 && byte <= 255) return byte;
    throw runtimeFault("A byte is a whole number from 0 to 255.");
  });
}

function base64(input: Value): string {
  if (Array.isArray(input)) return Buffer.from(toBytes(input)).toString("base64");
  if (typeof input !== "string") throw wrong("string or array", input);
  scan(input.length);
  if (/[\u0100-\uffff]/.test(input)) {
    throw runtimeFault("std.base64 takes strings with code points up to 255 only.");
  }
  return Buffer.from(encode(input)).toString("base64");
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function fromBase64(text: string): Uint8Array {
  allocate(text.length);
  scan(text.length * 4);
  if (!BASE64.test(text)) throw runtimeFault("This is no base64 text.");
  return Buffer.from(text, "base64");
}
