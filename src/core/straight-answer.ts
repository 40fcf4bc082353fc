/**
 * The way of a streaming rpc past the generated handler: bytes that are the same for many callers are
 * encoded once and written as they are, between two messages that the handler yields.
 */
import { createContextKey } from "@connectrpc/connect";

/** The answer of one call, as bytes. */
export interface StraightAnswer {
  /** Whether messages are JSON; else they are binary. */
  readonly isJson: boolean;
  /**
   * Writes enveloped messages (see `envelope`). Only once the handler has yielded a message and was asked
   * for the next: that one brought the head. Waits while the caller takes nothing more, and returns at
   * once when the caller has gone.
   */
  write(bytes: Uint8Array): Promise<void> | undefined;
}

/** Where handlers find it; undefined in memory, and where answers are not enveloped. */
export const straightAnswerKey = createContextKey<StraightAnswer | undefined>(undefined);

const ENVELOPE_BYTES = 5;

/**
 * A message as it stands in a stream of Connect, gRPC and gRPC-Web alike: flags (0: not compressed, which
 * each message may be), length, bytes.
 */
export function envelope(message: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(ENVELOPE_BYTES + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, ENVELOPE_BYTES);
  return bytes;
}
