/** Exchanges with destinations in the form in which they are kept: secrets masked, long parts cut. */
import { create, type Message } from "@bufbuild/protobuf";
import {
  type AttemptExchange,
  AttemptExchangeSchema,
} from "#gen/tributary/management/v1/attempt_pb.js";
import type { Sink } from "#gen/tributary/management/v1/sink_pb.js";
import type { Exchange } from "../core/exchange.ts";

/** Bytes of each body that are kept. */
export const BODY_BYTES_MAX = 16 * 1024;
const HEADERS_MAX = 64;
const HEADER_BYTES_MAX = 2_048;
/** Shorter texts stand in too many places by chance. */
const SECRET_LENGTH_MIN = 4;
const MASK = "***";

/** Headers whose value is a secret whoever sends them. */
const SECRET_HEADERS =
  /^(authorization|proxy-authorization|cookie|set-cookie|x-amz-security-token|.*(api-?key|token|secret|password).*)$/;
/** Parameters of addresses that are secrets. */
const SECRET_PARAMETERS =
  /([?&](?:[^=&]*(?:key|token|secret|password|signature|credential|auth)[^=&]*)=)[^&#]*/gi;

/** Texts of a configuration that its masked form lacks, longest first: none may be kept. */
export function secretsOf(config: Sink["config"], masked: Sink["config"]): readonly string[] {
  const shown = new Set(textsOf(masked.value));
  const secrets = new Set<string>();
  for (const text of textsOf(config.value)) {
    if (shown.has(text) || text.length < SECRET_LENGTH_MIN) continue;
    for (const secret of URL.canParse(text) ? partsOf(new URL(text)) : [text]) secrets.add(secret);
  }
  return [...secrets].sort((a, b) => b.length - a.length);
}

/** Of an address only user and password are secret. */
function partsOf({ username, password }: URL): string[] {
  const basic = Buffer.from(`${decode(username)}:${decode(password)}`).toString("base64");
  const parts = [password, decode(password), ...(password || username ? [basic] : [])];
  return parts.filter((part) => part.length >= SECRET_LENGTH_MIN);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function textsOf(value: unknown): string[] {
  if (typeof value === "string") return value === "" ? [] : [value];
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return [];
  return Object.entries(value as Message).flatMap(([key, part]) =>
    key.startsWith("$") ? [] : textsOf(part),
  );
}

/** The exchange as it is kept. */
export function maskExchange(exchange: Exchange, secrets: readonly string[]): AttemptExchange {
  const { method, url, requestHeaders, requestBody, answer } = exchange;
  const mask = (text: string) => secrets.reduce((t, secret) => t.replaceAll(secret, MASK), text);
  const body = answer?.body ?? new Uint8Array();
  return create(AttemptExchangeSchema, {
    method,
    url: mask(url).replace(SECRET_PARAMETERS, `$1${MASK}`).slice(0, HEADER_BYTES_MAX),
    requestHeaders: headersOf(requestHeaders, mask),
    requestBody: cut(requestBody),
    requestBodySize: BigInt(requestBody.byteLength),
    statusCode: answer?.status ?? 0,
    responseHeaders: headersOf(answer?.headers ?? {}, mask),
    // A destination may send back what it was sent.
    responseBody: secrets.length > 0 ? cut(Buffer.from(mask(textOf(body)))) : cut(body),
    responseBodySize: BigInt(body.byteLength),
  });
}

function textOf(body: Uint8Array): string {
  return Buffer.from(cut(body)).toString("utf8");
}

function cut(body: Uint8Array): Uint8Array {
  // A copy: the rest of the body is not to stay in memory.
  return Uint8Array.from(body.subarray(0, BODY_BYTES_MAX));
}

function headersOf(headers: Exchange["requestHeaders"], mask: (text: string) => string) {
  return Object.entries(headers)
    .slice(0, HEADERS_MAX)
    .map(([key, value]) => {
      const name = key.toLowerCase();
      const text = Array.isArray(value) ? value.join(", ") : String(value ?? "");
      const shown = SECRET_HEADERS.test(name) ? MASK : mask(text).slice(0, HEADER_BYTES_MAX);
      return { name, value: shown };
    });
}
