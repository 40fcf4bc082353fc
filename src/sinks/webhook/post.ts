import { validateHeaderName, validateHeaderValue } from "node:http";
import { type Exchange, isRecordingExchanges, noteExchange } from "../../core/exchange.ts";
import { SinkFault, timeoutFault } from "../sink-fault.ts";
import type { WireAnswer } from "./post-connection.ts";
import type { PostConnections } from "./post-connections.ts";

/** What is sent. */
export interface Post {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly connections: PostConnections;
  readonly method?: string;
  /** Whether the beginning of the answer's body is wanted whatever the status. */
  readonly isTextNeeded?: boolean;
}

/** What came back: no redirect is followed, and at most 64 KiB of the body are read. */
export interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** Beginning of the body as text; empty for a 2xx answer unless it was wanted. */
  readonly text: string;
}

/** Sends one request, POST when nothing else is said; throws SinkFault when no answer came. */
export async function post(input: Post, signal: AbortSignal): Promise<Answer> {
  if (signal.aborted) throw timeoutFault("the request");
  const isBodyKept = input.isTextNeeded === true || isRecordingExchanges();
  const keepsBody = (status: number) => isBodyKept || status >= 300;
  const request = { head: headOf(input), body: input.body, keepsBody };
  let answer: WireAnswer;
  try {
    answer = await input.connections.send(request, signal);
  } catch (error) {
    note(input);
    throw toFault(error as NodeJS.ErrnoException, signal);
  }
  const { head, body } = answer;
  const { status, headers } = head;
  if (status === 101) {
    note(input);
    throw new SinkFault("HTTP_101", "the endpoint answered 101, which was not asked for");
  }
  note(input, { status, headers, body });
  const text = input.isTextNeeded === true || status >= 300 ? body.toString("utf8") : "";
  const retryAfter = headers["retry-after"];
  return { status, retryAfter: typeof retryAfter === "string" ? retryAfter : undefined, text };
}

function note({ method = "POST", url, headers, body }: Post, answer?: Exchange["answer"]): void {
  noteExchange({
    method,
    url: url.href,
    requestHeaders: headers,
    requestBody: body,
    ...(answer && { answer }),
  });
}

/** Request line and headers. Throws for a header that would end early, and so begin another one. */
function headOf({ method = "POST", url, headers, body }: Post): string {
  let head = `${method} ${url.pathname}${url.search} HTTP/1.1\r\nhost: ${url.host}\r\n`;
  for (const name in headers) {
    const value = headers[name]!;
    validateHeaderName(name);
    validateHeaderValue(name, value);
    head += `${name}: ${value}\r\n`;
  }
  return `${head}content-length: ${body.length}\r\nconnection: keep-alive\r\n\r\n`;
}

/** Failures of the connection by their code; never by text, which may name addresses. */
function toFault(error: NodeJS.ErrnoException, signal: AbortSignal): SinkFault {
  if (error instanceof SinkFault) return error;
  if (signal.aborted) return timeoutFault("the request", error);
  const code = error.code ?? "unknown error";
  const isTls = /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO|EPROTO/.test(code);
  const reason = isTls ? "TLS_FAILED" : "CONNECTION_FAILED";
  const what = isTls ? "the TLS certificate or handshake failed" : "the connection failed";
  return new SinkFault(reason, `${what}: ${code}`, { cause: error });
}
