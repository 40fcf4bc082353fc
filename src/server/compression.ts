/** Compression of rpc messages and request bodies: gzip, br and zstd, bounded after inflation. */
import { promisify } from "node:util";
import * as zlib from "node:zlib";
import type { ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { fail } from "../core/errors.ts";

type Transform = (
  bytes: Uint8Array,
  options: { readonly maxOutputLength?: number },
) => Promise<Buffer>;

/** Brotli at Node's default of 11 costs seconds per megabyte. */
const BROTLI_OPTIONS = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } };

/** What the server takes and sends, the most wanted first. */
export const COMPRESSIONS: readonly Compression[] = [
  createCompression("gzip", promisify(zlib.gzip), promisify(zlib.gunzip)),
  createCompression(
    "br",
    (bytes) => promisify(zlib.brotliCompress)(bytes, BROTLI_OPTIONS),
    promisify(zlib.brotliDecompress),
  ),
  createCompression("zstd", promisify(zlib.zstdCompress), promisify(zlib.zstdDecompress)),
];

/** The compression of a content-encoding; undefined for identity; fails for an unknown one. */
export function compressionOf(encoding: string | undefined): Compression | undefined {
  if (encoding === undefined || encoding === "" || encoding === "identity") return undefined;
  const found = COMPRESSIONS.find((c) => c.name === encoding.trim().toLowerCase());
  if (found) return found;
  const names = COMPRESSIONS.map((c) => c.name).join(", ");
  throw fail("CONTENT_TYPE_UNSUPPORTED", `this content encoding is not taken; use ${names}`);
}

function createCompression(name: string, compress: Transform, decompress: Transform): Compression {
  return {
    name,
    compress: async (bytes) => toBytes(await compress(bytes, {})),
    async decompress(bytes, readMaxBytes) {
      if (bytes.length === 0) return new Uint8Array(0);
      try {
        return toBytes(await decompress(bytes, { maxOutputLength: readMaxBytes }));
      } catch (error) {
        throw inflateError(error, name, readMaxBytes);
      }
    },
  };
}

function inflateError(error: unknown, name: string, readMaxBytes: number): ConnectError {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ERR_BUFFER_TOO_LARGE"
    ? fail("TOO_LARGE", `the message is above ${readMaxBytes} bytes after decompression`)
    : fail("INVALID_BODY", `the body is not valid ${name}, or is cut off`, { cause: error });
}

function toBytes(buffer: Buffer): Uint8Array<ArrayBuffer> {
  return buffer.buffer instanceof ArrayBuffer
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer);
}
