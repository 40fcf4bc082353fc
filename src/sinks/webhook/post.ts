import { type Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
import { urlToHttpOptions } from "node:url";
import { type Exchange, isRecordingExchanges, noteExchange } from "../../core/exchange.ts";
import type { EgressGuard } from "../egress.ts";
import { SinkFault, timeoutFault } from "../sink-fault.ts";

/** What is sent. */
export interface Post {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly agent: HttpAgent;
  readonly guard: EgressGuard;
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

const BODY_BYTES_MAX = 64 * 1024;
/** How long the body of an answer may take once its status is known. */
const BODY_TIME_MS = 1000;

/** Sends one request, POST when nothing else is said; throws SinkFault when no answer came. */
export async function post(input: Post, signal: AbortSignal): Promise<Answer> {
  if (signal.aborted) throw timeoutFault("the request");
  // Node asks no resolver for IP literals, so they are checked here; WHATWG URL has made 0x7f.1 and
  // the like dotted decimals already.
  const literal = input.url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(literal)) await input.guard.resolve(literal);
  const response = await send(input, signal).catch((error: unknown) => {
    note(input);
    throw error;
  });
  const status = response.statusCode ?? 0;
  const isTextNeeded = input.isTextNeeded === true || status >= 300;
  const isNeeded = isTextNeeded || isRecordingExchanges();
  const body = await readBody(response, { isNeeded, signal });
  note(input, { status, headers: response.headers, body });
  const text = isTextNeeded ? body.toString("utf8") : "";
  return { status, retryAfter: response.headers["retry-after"], text };
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

function send(input: Post, signal: AbortSignal): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = input.url.protocol === "https:" ? requestHttps : requestHttp;
  const sent = request({
    ...addressOf(input.url),
    method: input.method ?? "POST",
    agent: input.agent,
    headers: { ...input.headers, "content-length": String(input.body.length) },
  });
  // Node's own option `signal` costs as much as the rest of a small request.
  const stop = () => sent.destroy(timeoutFault("the request"));
  signal.addEventListener("abort", stop, { once: true });
  sent.on("close", () => signal.removeEventListener("abort", stop));
  sent.on("response", resolve);
  sent.on("error", (error: NodeJS.ErrnoException) => {
    // A server may close an idle connection while the request is on its way: that is no failure.
    const isStale = sent.reusedSocket && error.code === "ECONNRESET" && !signal.aborted;
    if (isStale) send(input, signal).then(resolve, reject);
    else reject(toFault(error, signal));
  });
  sent.on("upgrade", (_, socket) => {
    socket.destroy();
    reject(new SinkFault("HTTP_101", "the endpoint answered 101, which was not asked for"));
  });
  sent.end(input.body);
  return promise;
}

const addresses = new WeakMap<URL, ReturnType<typeof urlToHttpOptions>>();

/** The parts of an address as Node's client wants them, taken apart once. */
function addressOf(url: URL): ReturnType<typeof urlToHttpOptions> {
  const known = addresses.get(url) ?? urlToHttpOptions(url);
  addresses.set(url, known);
  return known;
}

/** Reads and drops the body, so that the connection can be used again; a slow or long one is cut off. */
async function readBody(
  response: IncomingMessage,
  { isNeeded, signal }: { isNeeded: boolean; signal: AbortSignal },
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const cut = () => {
    response.destroy();
    resolve();
  };
  const timer = setTimeout(cut, BODY_TIME_MS);
  signal.addEventListener("abort", cut, { once: true });
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (isNeeded && bytes <= BODY_BYTES_MAX) chunks.push(chunk);
    if (bytes > BODY_BYTES_MAX) cut();
  });
  response.on("end", resolve);
  response.on("error", () => resolve());
  response.on("close", resolve);
  await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", cut);
  return Buffer.concat(chunks);
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
