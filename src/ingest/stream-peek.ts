/**
 * The stream of a push told by the first bytes of its body, so that a large body of a project that is
 * over its quota is refused before it is read: reading 16 MiB to find a name in front of them costs others
 * what the quota is to spare them.
 */

/** The forms whose body names the stream. */
export type PeekedForm = "json" | "proto" | "grpc";

/** Bytes that are looked at. */
const PEEKED_BYTES = 512;
const IN_JSON =
  /^(?:\xef\xbb\xbf)?[ \t\r\n]*\{[ \t\r\n]*"stream"[ \t\r\n]*:[ \t\r\n]*"([!#-[\]-~]+)"/;
/** Field 1 of PushRequest, a text. */
const STREAM_TAG = 0x0a;
const FRAME_HEAD_BYTES = 5;
/** A longer text has a longer length, and is no name of a stream. */
const NAME_BYTES_MAX = 0x7f;

/**
 * The name, where it stands at the beginning in plain characters, as clients write it; else undefined, which
 * says nothing. What follows may still make the body invalid.
 */
export function peekStream(form: PeekedForm, body: Buffer): string | undefined {
  if (form === "json") return IN_JSON.exec(body.toString("latin1", 0, PEEKED_BYTES))?.[1];
  const at = form === "grpc" ? FRAME_HEAD_BYTES : 0;
  const length = body[at + 1] ?? 0;
  const end = at + 2 + length;
  if (body[at] !== STREAM_TAG || length > NAME_BYTES_MAX || body.length < end) return undefined;
  const name = body.toString("latin1", at + 2, end);
  return /^[!-~]+$/.test(name) ? name : undefined;
}
