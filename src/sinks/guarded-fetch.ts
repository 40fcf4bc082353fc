/** What the server asks of other servers for itself, such as a provider's keys, through the egress guard. */
import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
import type { EgressGuard } from "./egress.ts";
import { SinkFault } from "./sink-fault.ts";

/** A request as `fetch` takes it, as far as it is served here. */
export interface GuardedRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | URLSearchParams | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Like `fetch`, but that no redirect is followed. */
export type GuardedFetch = (url: string, request: GuardedRequest) => Promise<Response>;

const BODY_BYTES_MAX = 64 * 1024;
const TOTAL_MS = 15_000;

/**
 * Makes it. Rejects with SinkFault for an address that is not allowed, and with an Error when there is
 * no answer within 15 s or it has more than `bodyBytesMax`, 64 KiB. Uses no proxy.
 * Certificates must lead to `certificateAuthority` (PEM), or to those that are generally trusted.
 */
export function createGuardedFetch(
  guard: EgressGuard,
  bodyBytesMax = BODY_BYTES_MAX,
  certificateAuthority = "",
): GuardedFetch {
  return async (text, { method, headers, body, signal }) => {
    const url = new URL(text);
    if (!/^https?:$/.test(url.protocol) || url.username || url.password) {
      throw new SinkFault(
        "ADDRESS_REFUSED",
        "only http and https addresses without user are asked",
      );
    }
    // Node asks no resolver for IP literals; WHATWG URL has made 0x7f.1 and the like plain already.
    const literal = url.hostname.replace(/^\[|\]$/g, "");
    if (isIP(literal)) await guard.resolve(literal);
    const limit = AbortSignal.timeout(TOTAL_MS);
    const ended = signal ? AbortSignal.any([signal, limit]) : limit;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = url.protocol === "https:" ? requestHttps : requestHttp;
      const sent = request(url, {
        method,
        headers,
        agent: false,
        lookup: guard.lookup,
        signal: ended,
        ...(certificateAuthority && { ca: certificateAuthority }),
      });
      sent.on("response", resolve).on("error", reject);
      sent.on("upgrade", (_, socket) => socket.destroy());
      sent.end(body?.toString());
    });
    const bytes = await readBody(response, bodyBytesMax);
    const status = response.statusCode ?? 0;
    const isBare = status === 204 || status === 205 || status === 304;
    return new Response(isBare ? null : new Uint8Array(bytes), {
      status,
      headers: Object.entries(response.headersDistinct).flatMap(([name, values]) =>
        (values ?? []).map((value): [string, string] => [name, value]),
      ),
    });
  };
}

async function readBody(response: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bytesMax) throw new Error(`the answer has more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
