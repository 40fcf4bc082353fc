/** Writes bytes of a streaming rpc straight to the Node response. */
import { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { StraightAnswer } from "../core/straight-answer.ts";
import type { HttpRequest, HttpResponse } from "./http-message.ts";

/** Makes the straight answer of a call. */
export function createStraightAnswer(request: HttpRequest, response: HttpResponse): StraightAnswer {
  // Both responses are writable streams; their types only differ in what does not matter here.
  const stream = response as HttpResponse & NodeJS.WritableStream;
  let isClosed = false;
  let wake: (() => void) | undefined;
  const resume = () => {
    wake?.();
    wake = undefined;
  };
  response.on("drain", resume);
  response.once("close", () => {
    isClosed = true;
    resume();
  });
  const write = (bytes: Uint8Array): boolean => {
    const socket = chunkedSocket(response);
    if (!socket) return stream.write(bytes);
    const isTaken = socket.write(chunkOf(bytes));
    if (!isTaken) socket.once("drain", resume);
    return isTaken;
  };
  return {
    isJson: /json/i.test(request.headers["content-type"] ?? ""),
    write: (bytes) => {
      if (isClosed || response.writableEnded || write(bytes)) return undefined;
      return new Promise((resolve) => {
        wake = resolve;
      });
    },
  };
}

/** Where chunks of an answer over HTTP/1.1 can be written as they are: the answer itself holds nothing back. */
function chunkedSocket(response: HttpResponse): Socket | undefined {
  const isChunked =
    response instanceof ServerResponse && response.headersSent && response.chunkedEncoding;
  const socket = isChunked ? response.socket : undefined;
  return socket && socket.writableLength === response.writableLength ? socket : undefined;
}

const chunks = new WeakMap<Uint8Array, Buffer>();

/**
 * Bytes as one chunk (RFC 9112, section 7.1), made once for all who are sent them: node:http writes a
 * chunk as three pieces, which costs twice the system call of one.
 */
function chunkOf(bytes: Uint8Array): Buffer {
  let chunk = chunks.get(bytes);
  if (!chunk) {
    chunk = Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, CRLF]);
    chunks.set(bytes, chunk);
  }
  return chunk;
}

const CRLF = Buffer.from("\r\n");
