/** Pushes to another Tributary, through the egress guard; a token is kept until shortly before its end. */
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { isIP } from "node:net";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import {
  ClientCredentialsSchema,
  type TributarySink,
  TributarySink_Method,
} from "#gen/tributary/management/v1/sink_pb.js";
import { PushService } from "#gen/tributary/push/v1/push_service_pb.js";
import { createEgressGuard } from "../egress.ts";
import { createGuardedFetch } from "../guarded-fetch.ts";
import type { SinkEnvironment } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import { createTokenSource } from "../token-source.ts";
import { createPushChannel, type PushChannel, type PushInit } from "./push-channel.ts";
import { createPushSession, type PushSessionOptions } from "./push-session.ts";

const CONNECTIONS_MAX = 8;
/** Answers say how many records were taken; none comes near this. */
const ANSWER_BYTES_MAX = 256 * 1024;

/** The way to one stream of the other server. */
export interface RemoteStream {
  /** Addresses are allowed, and a token is there. Rejects with SinkFault. */
  authenticate(signal: AbortSignal): Promise<void>;
  /** Pushes; a refused token is renewed once. Rejects with SinkFault or ConnectError. */
  push(request: PushInit, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** Makes it; nothing is connected before the first call. */
export function openRemote(config: TributarySink, env: SinkEnvironment): RemoteStream {
  const url = parseUrl(config.url);
  if (typeof url === "string") throw new SinkFault("URL_INVALID", `url ${url}`);
  const guard = createEgressGuard(env);
  const { certificateAuthority: ca } = config;
  const options = { keepAlive: true, maxSockets: CONNECTIONS_MAX, lookup: guard.lookup };
  const isTls = url.protocol === "https:";
  const agent = isTls ? new HttpsAgent({ ...options, ...(ca && { ca }) }) : new HttpAgent(options);
  const baseUrl = url.href.replace(/\/$/, "");
  const credentials = create(ClientCredentialsSchema, {
    tokenUrl: `${baseUrl}/oauth2/token`,
    clientId: config.clientId,
    clientSecret: config.clientSecret,
  });
  const ask = createGuardedFetch(guard, undefined, ca);
  const tokens = createTokenSource(credentials, ask, Date.now);
  const shared = {
    baseUrl,
    useBinaryFormat: true,
    acceptCompression: [],
    readMaxBytes: ANSWER_BYTES_MAX,
  };
  const way =
    config.method === TributarySink_Method.PUSH
      ? unaryWay(createConnectTransport({ ...shared, httpVersion: "1.1", nodeOptions: { agent } }))
      : streamWay(shared, { lookup: guard.lookup, ...(ca && { ca }) });
  // Node asks no resolver for IP literals; WHATWG URL has made 0x7f.1 and the like plain already.
  const literal = url.hostname.replace(/^\[|\]$/g, "");
  const checkLiteral = async () => {
    if (isIP(literal)) await guard.resolve(literal);
  };
  return {
    async authenticate(signal) {
      await guard.resolve(literal);
      await tokens.get(signal);
    },
    async push(request, signal) {
      await checkLiteral();
      const attempt = (token: string) => way.push(request, { token, signal });
      const token = await tokens.get(signal);
      try {
        await attempt(token);
      } catch (error) {
        if (!(error instanceof ConnectError) || error.code !== Code.Unauthenticated) throw error;
        tokens.refused(token);
        await attempt(await tokens.get(signal));
      }
    },
    close() {
      way.close();
      agent.destroy();
    },
  };
}

/** A call for each request. */
function unaryWay(transport: Transport): PushChannel {
  const client = createClient(PushService, transport);
  return {
    async push(request, { token, signal }) {
      await client.push(request, { signal, headers: { authorization: `Bearer ${token}` } });
    },
    close: () => undefined,
  };
}

/** One stream for all, on an HTTP/2 connection of its own. */
function streamWay(
  shared: { readonly baseUrl: string; readonly readMaxBytes: number },
  options: PushSessionOptions,
): PushChannel {
  const session = createPushSession(new URL(shared.baseUrl).origin, options);
  const transport = createConnectTransport({
    ...shared,
    httpVersion: "2",
    sessionManager: session,
  });
  const client = createClient(PushService, transport);
  const channel = createPushChannel({
    open: (requests, { token, signal }) =>
      client.pushStream(requests, { signal, headers: { authorization: `Bearer ${token}` } }),
    onIdle: () => session.abort(),
  });
  return {
    push: channel.push,
    close() {
      channel.close();
      session.abort();
    },
  };
}

/** Parses the address of a server; a string says what is wrong. */
export function parseUrl(text: string): URL | string {
  if (!URL.canParse(text)) return "is no address, such as https://tributary.example.com";
  const url = new URL(text);
  if (!/^https?:$/.test(url.protocol)) return "must begin with https:// or http://";
  if (url.username || url.password) return "must not hold a user or password";
  if (url.search || url.hash) return "must not hold a query or fragment";
  return url;
}
