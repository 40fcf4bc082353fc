/** Tells HTTP/2 with prior knowledge from HTTP/1.1 by the first bytes of a connection. */
import type { Socket } from "node:net";

/** How the HTTP/2 preface begins (RFC 9113, section 3.4); no HTTP/1.1 request does. */
const PREFACE = Buffer.from("PRI ", "latin1");

/**
 * Reads until the protocol is settled, puts the bytes back, and calls `take` with the paused socket.
 * Destroys a socket that stays silent for `timeoutMs`.
 */
export function sniffProtocol(
  socket: Socket,
  options: { readonly timeoutMs: number; readonly take: (isHttp2: boolean) => void },
): void {
  let head: Buffer = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), options.timeoutMs);
  const stop = () => {
    clearTimeout(timer);
    socket.off("data", onData);
    socket.off("error", stop);
    socket.off("close", stop);
    socket.off("end", onEnd);
  };
  const onEnd = () => {
    stop();
    socket.destroy();
  };
  const onData = (chunk: Buffer) => {
    // The preface may come in pieces: deciding on the first one would fail.
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    const length = Math.min(head.length, PREFACE.length);
    const mayBePreface = head.compare(PREFACE, 0, length, 0, length) === 0;
    if (mayBePreface && length < PREFACE.length) return;
    stop();
    socket.pause();
    socket.unshift(head);
    options.take(mayBePreface);
  };
  socket.on("data", onData);
  socket.once("error", stop);
  socket.once("close", stop);
  socket.once("end", onEnd);
}
