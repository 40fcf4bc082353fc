/** Reads the small form-encoded bodies of the OAuth2 routes. */
import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { promisify } from "node:util";
import { brotliDecompress, gunzip, zstdDecompress } from "node:zlib";
import { OAuthError } from "./oauth-error.ts";

/** Longest body, in bytes. */
export const FORM_BYTES_MAX = 16 * 1024;
const FORM_TIMEOUT_MS = 10_000;
const FORM_TYPE = /^application\/x-www-form-urlencoded *(?:; *charset="?utf-8"? *)?$/i;

/** By content encoding; the result is bounded by FORM_BYTES_MAX. */
const INFLATERS: Readonly<Record<string, (bytes: Buffer) => Promise<Buffer>>> = Object.assign(
  Object.create(null),
  {
    identity: (bytes: Buffer) => Promise.resolve(bytes),
    gzip: boundedInflater(promisify(gunzip)),
    br: boundedInflater(promisify(brotliDecompress)),
    zstd: boundedInflater(promisify(zstdDecompress)),
  },
);

/** A body that is not taken for what it is, rather than for what it says. */
export class FormRefused extends Error {
  readonly status: 408 | 413 | 415;

  constructor(status: 408 | 413 | 415, message: string) {
    super(message);
    this.name = "FormRefused";
    this.status = status;
  }
}

/**
 * The parameters by name; those without a value are left out (RFC 6749 section 3.2). Fails with
 * FormRefused for type, size (16 KiB) and time (10 s), and with OAuthError invalid_request for a
 * malformed body or a parameter of `single` that comes twice.
 */
export async function readForm(
  request: IncomingMessage | Http2ServerRequest,
  single: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (!FORM_TYPE.test(request.headers["content-type"] ?? "")) {
    throw new FormRefused(415, "send application/x-www-form-urlencoded");
  }
  const inflate = INFLATERS[request.headers["content-encoding"] ?? "identity"];
  if (!inflate) throw new FormRefused(415, "the content encodings taken are gzip, br and zstd");
  const text = decode(await inflate(await readBody(request)));
  const parameters = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) {
    if (parameters.has(name) && single.includes(name)) {
      throw new OAuthError("invalid_request", `the parameter ${name} comes twice`);
    }
    parameters.set(name, value);
  }
  for (const [name, value] of parameters) if (value === "") parameters.delete(name);
  return parameters;
}

function boundedInflater(
  inflate: (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>,
): (bytes: Buffer) => Promise<Buffer> {
  return async (bytes) => {
    try {
      return await inflate(bytes, { maxOutputLength: FORM_BYTES_MAX });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge();
      throw new OAuthError("invalid_request", "the body is not what its content encoding says");
    }
  };
}

function tooLarge(): FormRefused {
  return new FormRefused(413, `the body is above ${FORM_BYTES_MAX} bytes`);
}

function decode(body: Buffer): string {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
    decodeURIComponent(text);
    return text;
  } catch {
    throw new OAuthError("invalid_request", "the body is not form-encoded UTF-8");
  }
}

function readBody(request: IncomingMessage | Http2ServerRequest): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  return new Promise<Buffer>((resolve, reject) => {
    const timer = setTimeout(() => {
      settle(() => reject(new FormRefused(408, "the body did not arrive within 10 s")));
    }, FORM_TIMEOUT_MS);
    const onData = (chunk: Buffer) => {
      size += chunk.byteLength;
      chunks.push(chunk);
      if (size > FORM_BYTES_MAX) {
        settle(() => reject(tooLarge()));
      }
    };
    const onEnd = () => settle(() => resolve(Buffer.concat(chunks)));
    const onBroken = () => {
      settle(() => reject(new OAuthError("invalid_request", "the body was cut off")));
    };
    const settle = (finish: () => void) => {
      clearTimeout(timer);
      request.off("data", onData).off("end", onEnd).off("aborted", onBroken).off("close", onBroken);
      finish();
    };
    request.on("data", onData).on("end", onEnd).on("aborted", onBroken).on("close", onBroken);
    request.on("error", onBroken);
  });
}
