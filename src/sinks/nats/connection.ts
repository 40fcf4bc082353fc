/** A connection to a NATS server, through the egress guard; the client loads when one is first opened. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Authenticator, Msg, NatsConnection } from "@nats-io/transport-node";
import type { NatsSink } from "#gen/tributary/management/v1/sink_pb.js";
import { createEgressGuard } from "../egress.ts";
import type { SinkEnvironment } from "../sink.ts";
import { SinkFault, timeoutFault } from "../sink-fault.ts";
import { type PublishAnswer, toNatsFault } from "./fault.ts";
import { parseServer, type ServerAddress } from "./server-address.ts";

/** How long a server may take to be reached. */
const CONNECT_MS = 5_000;
/** Longest wait for the answer to one message; the attempt's own signal ends it earlier. */
const ANSWER_MS = 30_000;

/** A message. */
export interface OutgoingMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** An open connection; once lost it is of no more use. Methods throw SinkFault. */
export interface NatsClient {
  readonly isClosed: boolean;
  /** Bytes of a message with its headers. */
  readonly payloadMax: number;
  /** Sends a message and gives the answer of the stream that takes it. */
  publish(message: OutgoingMessage): Promise<PublishAnswer>;
  /** Sends messages to whoever listens; resolves when the server has read them. */
  send(messages: readonly OutgoingMessage[]): Promise<void>;
  close(): Promise<void>;
}

/** Connects to the first server that can be reached. Rejects with SinkFault. */
export async function connectNats(
  config: NatsSink,
  env: SinkEnvironment,
  signal: AbortSignal,
): Promise<NatsClient> {
  const guard = createEgressGuard(env);
  let fault = new SinkFault("CONNECTION_FAILED", "no server is named");
  for (const text of config.servers) {
    const server = parseServer(text);
    if (typeof server === "string") throw new SinkFault("ADDRESS_REFUSED", `servers: ${server}`);
    if (signal.aborted) throw timeoutFault("connecting");
    try {
      const addresses = await guard.resolve(server.host);
      const hosts = addresses.map(({ address, family }) =>
        family === 6 ? `[${address}]` : address,
      );
      return await connectOne(config, server, { hosts, env, signal });
    } catch (error) {
      fault = toNatsFault(error, `connecting to ${server.host}`);
      // Another server of the cluster has the same users.
      if (/AUTHENTICATION_FAILED|ADDRESS_REFUSED|TIMEOUT/.test(fault.reason)) throw fault;
    }
  }
  throw fault;
}

async function connectOne(
  config: NatsSink,
  server: ServerAddress,
  { hosts, env, signal }: { hosts: string[]; env: SinkEnvironment; signal: AbortSignal },
): Promise<NatsClient> {
  const library = await import("@nats-io/transport-node");
  const connecting = library.connect({
    servers: hosts.map((host) => `${host}:${server.port}`),
    name: `tributary ${env.sinkUid}`,
    // Other addresses than those that were resolved and allowed are never tried.
    ignoreClusterUpdates: true,
    resolve: false,
    reconnect: false,
    timeout: CONNECT_MS,
    noAsyncTraces: true,
    tls: server.isTls ? tlsOf(config, server) : null,
    ...authenticationOf(config, library),
  });
  const aborted = Promise.withResolvers<never>();
  const stop = () => aborted.reject(timeoutFault("connecting"));
  signal.addEventListener("abort", stop, { once: true });
  try {
    const connection = await Promise.race([connecting, aborted.promise]);
    return createClient(connection, library.headers);
  } catch (error) {
    // What connects when nobody waits for it any more is closed at once.
    connecting.then((late) => late.close()).catch(() => undefined);
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function tlsOf({ certificateAuthority: ca }: NatsSink, { host }: ServerAddress) {
  return { servername: host, ...(ca && { ca }) };
}

type Library = typeof import("@nats-io/transport-node");

function authenticationOf(
  { credentials }: NatsSink,
  library: Library,
): { authenticator?: Authenticator } {
  const bytes = (text: string) => new TextEncoder().encode(text);
  switch (credentials.case) {
    case "token":
      return { authenticator: library.tokenAuthenticator(credentials.value) };
    case "user": {
      const { user, password } = credentials.value;
      return { authenticator: library.usernamePasswordAuthenticator(user, password) };
    }
    case "nkeySeed":
      return { authenticator: library.nkeyAuthenticator(bytes(credentials.value)) };
    case "credentialsFile":
      return { authenticator: library.credsAuthenticator(bytes(credentials.value)) };
    default:
      return {};
  }
}

function createClient(connection: NatsConnection, makeHeaders: Library["headers"]): NatsClient {
  const refusals = { count: 0, last: undefined as Error | undefined };
  void (async () => {
    for await (const status of connection.status()) {
      if (status.type !== "error") continue;
      refusals.count += 1;
      refusals.last = status.error;
    }
  })().catch(() => undefined);
  const headersOf = (values: OutgoingMessage["headers"]) => {
    const headers = makeHeaders();
    for (const [name, value] of Object.entries(values)) headers.set(name, value);
    return headers;
  };
  return {
    get isClosed() {
      return connection.isClosed();
    },
    get payloadMax() {
      return connection.info?.max_payload ?? 1024 * 1024;
    },
    async publish({ subject, data, headers }) {
      let answer: Msg;
      try {
        answer = await connection.request(subject, data, {
          timeout: ANSWER_MS,
          headers: headersOf(headers),
        });
      } catch (error) {
        throw toNatsFault(error, `publishing to ${subject}`);
      }
      try {
        return answer.json<PublishAnswer>();
      } catch {
        return { error: { description: "the answer is not that of a stream" } };
      }
    },
    async send(messages) {
      const known = refusals.count;
      try {
        for (const { subject, data, headers } of messages) {
          connection.publish(subject, data, { headers: headersOf(headers) });
        }
        await connection.flush();
        // A refusal stands before the answer to the flush, and is told a turn later.
        await nextTurn();
      } catch (error) {
        throw toNatsFault(error, "publishing");
      }
      if (refusals.count > known) throw toNatsFault(refusals.last, "publishing");
    },
    close: () => connection.close().catch(() => undefined),
  };
}
