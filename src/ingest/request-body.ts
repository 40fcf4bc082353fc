/** Reads request bodies whole, bounded before and after inflation. */
import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { promisify } from "node:util";
import { brotliDecompress, gunzip, zstdDecompress } from "node:zlib";
import { fail } from "../core/errors.ts";
import type { Eventually } from "../core/eventually.ts";
import type { WholeRequest } from "../core/whole-message.ts";
import type { AdmittedBytes } from "./admission.ts";
import { gatherPieces } from "./body-pieces.ts";

/** Bytes of a call, as it came and after inflation. */
export const CALL_BYTES_MAX = 16 * 1024 * 1024;
const BODY_TIMEOUT_MS = 30_000;

type Inflate = (
  body: Uint8Array,
  options: { readonly maxOutputLength: number },
) => Promise<Uint8Array>;

const INFLATES: ReadonlyMap<string, Inflate> = new Map([
  ["gzip", promisify(gunzip) as Inflate],
  ["br", promisify(brotliDecompress) as Inflate],
  ["zstd", promisify(zstdDecompress) as Inflate],
]);

/** The inflater for a content-encoding; "plain" for none, undefined for one that is not known. */
export function inflateOf(encoding: string | undefined): Inflate | "plain" | undefined {
  if (encoding === undefined || encoding === "" || encoding === "identity") return "plain";
  return INFLATES.get(encoding.trim().toLowerCase());
}

/** Content length of a request; undefined when it did not say. Fails with TOO_LARGE above 16 MiB. */
export function contentLengthOf(
  request: IncomingMessage | Http2ServerRequest | WholeRequest,
): number | undefined {
  const text = request.headers["content-length"];
  if (text === undefined) return undefined;
  const length = Number(text);
  if (length > CALL_BYTES_MAX) throw tooLarge();
  return length;
}

/** How a body is read. */
export interface BodyReading {
  readonly inflate: Inflate | "plain";
  readonly admitted: AdmittedBytes;
  /** Sees the first piece of a plain body that comes in pieces; throws to refuse all of it. */
  readonly onFirst?: ((piece: Buffer) => void) | undefined;
}

/**
 * Reads and inflates a body. Fails with TOO_LARGE (above 16 MiB, before or after inflation),
 * INVALID_BODY (cut off, or not in its encoding), OVERLOADED (no room), DEADLINE_EXCEEDED (30 s), or with
 * what `onFirst` throws.
 */
export function readBody(
  request: IncomingMessage | Http2ServerRequest | WholeRequest,
  { inflate, admitted, onFirst }: BodyReading,
): Eventually<Uint8Array> {
  if (inflate === "plain") {
    return "body" in request ? request.body : readPlain(request, admitted, onFirst);
  }
  return readInflated(request, { inflate, admitted });
}

async function readInflated(
  request: IncomingMessage | Http2ServerRequest | WholeRequest,
  { inflate, admitted }: { readonly inflate: Inflate; readonly admitted: AdmittedBytes },
): Promise<Uint8Array> {
  const body = "body" in request ? request.body : await readPlain(request, admitted);
  if (body.length === 0) return body;
  // Room for the usual inflation before it begins; the rest when it is known.
  admitted.grow(body.length + Math.min(CALL_BYTES_MAX, body.length * 8));
  try {
    const inflated = await inflate(body, { maxOutputLength: CALL_BYTES_MAX });
    admitted.grow(inflated.length);
    return inflated;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge();
    if (error instanceof Error && "code" in error && typeof error.code === "string") {
      const encoding = request.headers["content-encoding"];
      throw fail("INVALID_BODY", `the body is not valid ${encoding}, or is cut off`, {
        cause: error,
      });
    }
    throw error;
  }
}

function readPlain(
  request: IncomingMessage | Http2ServerRequest,
  admitted: AdmittedBytes,
  onFirst?: (piece: Buffer) => void,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const pieces = gatherPieces(contentLengthOf(request));
    let size = 0;
    const end = () => {
      clearTimeout(timer);
      request.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onClose);
    };
    const refuse = (error: unknown) => {
      end();
      request.pause();
      reject(error);
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      if (size > CALL_BYTES_MAX) {
        refuse(tooLarge());
        return;
      }
      try {
        if (size === chunk.length) onFirst?.(chunk);
        pieces.add(chunk);
        admitted.grow(size);
      } catch (error) {
        refuse(error);
      }
    };
    const onEnd = () => {
      end();
      resolve(pieces.whole());
    };
    const onClose = () => refuse(fail("INVALID_BODY", "the body was cut off by its sender"));
    const timer = setTimeout(() => {
      refuse(fail("DEADLINE_EXCEEDED", "the body did not arrive within 30 s"));
    }, BODY_TIMEOUT_MS);
    request.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onClose);
  });
}

function tooLarge() {
  return fail("TOO_LARGE", `the body is above ${CALL_BYTES_MAX} bytes: push fewer records a call`);
}
