/** Requests that no client library would send, and answers taken apart. */

import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";

/** One answer of HTTP/1.1. */
export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
  /** Whether the server ended the connection by itself. */
  readonly isClosed: boolean;
}

/** Sends bytes and reads until the server closes or `waitMs` after the last byte. */
export async function sendRaw(
  port: number,
  bytes: string | Buffer,
  waitMs = 300,
): Promise<RawAnswer> {
  const socket: Socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  let text = "";
  let isClosed = false;
  socket.on("error", () => undefined);
  const done = new Promise<void>((resolve) => {
    let timer = setTimeout(resolve, 5_000);
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      clearTimeout(timer);
      timer = setTimeout(resolve, waitMs);
    });
    socket.on("close", () => {
      isClosed = true;
      clearTimeout(timer);
      resolve();
    });
  });
  socket.write(bytes);
  await done;
  socket.destroy();
  const [head = "", body = ""] = text.split("\r\n\r\n", 2);
  return { status: Number(head.split(" ")[1] ?? 0), head, body, isClosed };
}

/** One answer of HTTP/2; `reset` is the error code of a reset stream. */
export interface Http2Answer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly body: string;
  readonly reset: number;
}

/** Opens a session that never throws. */
export function openSession(url: string): ClientHttp2Session {
  const session = connectHttp2(url, { rejectUnauthorized: false });
  session.on("error", () => undefined);
  return session;
}

/** Sends one request over HTTP/2. */
export function sendHttp2(
  session: ClientHttp2Session,
  headers: Record<string, string>,
  body?: string | Buffer,
): Promise<Http2Answer> {
  return new Promise((resolve) => {
    const stream = session.request(headers, { endStream: body === undefined });
    let answer: Record<string, unknown> = {};
    let text = "";
    stream.on("response", (h) => {
      answer = h;
    });
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    stream.on("error", () => undefined);
    stream.on("close", () =>
      resolve({
        status: Number(answer[":status"] ?? 0),
        headers: answer,
        body: text,
        reset: stream.rstCode,
      }),
    );
    if (body !== undefined) stream.end(body);
  });
}
