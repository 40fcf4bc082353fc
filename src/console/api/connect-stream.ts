/**
 * Calls of rpcs that answer with many messages, in Connect's JSON form: each message stands in an
 * envelope of one byte of flags and four of length (https://connectrpc.com/docs/protocol).
 */
import { reportReach } from "./reach.ts";

const HEAD_BYTES = 5;
const END_FLAG = 2;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What such a call is made with. */
export interface StreamCall {
  readonly path: string;
  /** The request, as JSON text. */
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly credentials: RequestCredentials;
  readonly signal: AbortSignal;
}

/** A part of the answer, as it came. */
export type StreamPart =
  | { readonly kind: "head"; readonly status: number; readonly headers: Headers }
  | { readonly kind: "message"; readonly json: string }
  /** Holds `error` when the call failed, or is the body of an answer that is no stream. */
  | { readonly kind: "end"; readonly json: string };

/** Yields the parts as they come. Fails when the connection does, or when the signal ends it. */
export async function* callStream(call: StreamCall): AsyncGenerator<StreamPart> {
  const answer = await fetch(call.path, {
    method: "POST",
    credentials: call.credentials,
    headers: { "content-type": "application/connect+json", ...call.headers },
    body: enveloped(call.body),
    signal: call.signal,
  });
  reportReach(true);
  yield { kind: "head", status: answer.status, headers: answer.headers };
  const isStream = answer.headers.get("content-type")?.startsWith("application/connect+json");
  if (!isStream || !answer.body) {
    yield { kind: "end", json: await answer.text() };
    return;
  }
  yield* readEnvelopes(answer.body);
}

function enveloped(text: string): Uint8Array<ArrayBuffer> {
  const message = encoder.encode(text);
  const whole = new Uint8Array(HEAD_BYTES + message.length);
  new DataView(whole.buffer).setUint32(1, message.length);
  whole.set(message, HEAD_BYTES);
  return whole;
}

async function* readEnvelopes(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamPart> {
  const reader = body.getReader();
  let rest = new Uint8Array();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const known = new Uint8Array(rest.length + value.length);
      known.set(rest);
      known.set(value, rest.length);
      let at = 0;
      while (known.length - at >= HEAD_BYTES) {
        const end = at + HEAD_BYTES + new DataView(known.buffer).getUint32(at + 1);
        if (known.length < end) break;
        const json = decoder.decode(known.subarray(at + HEAD_BYTES, end));
        yield { kind: ((known[at] ?? 0) & END_FLAG) !== 0 ? "end" : "message", json };
        at = end;
      }
      rest = known.slice(at);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
