/** Clients of the library pg, over addresses that the egress rules allow. */
import { isIP } from "node:net";
import pg from "pg";
import type { EgressGuard } from "../egress.ts";
import { SinkFault } from "../sink-fault.ts";
import type { DatabaseAddress } from "./database-url.ts";
import { sqlStateOf } from "./fault.ts";

const CONNECT_TIMEOUT_MS = 10_000;
/** Addresses of one name that are tried. */
const ADDRESSES_MAX = 4;
/** How long a cancel request may take to reach the server. */
const CANCEL_TIMEOUT_MS = 5_000;

/** What pg's connections can do beside what its types tell. */
export interface Wire {
  readonly stream: import("node:stream").Duplex;
  connect(port: number, host: string): void;
  requestSsl(): void;
  parse(query: { readonly text: string }): void;
  bind(config: { readonly values: readonly (string | Buffer | null)[] }): void;
  execute(): void;
  sync(): void;
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
  cancel(processId: number, secretKey: number): void;
  on(event: string, listener: (...values: never[]) => void): void;
}

/** A connected client, and how to stop what it runs. */
export interface OpenedClient {
  readonly client: pg.Client;
  /** Asks the server to cancel the statement that runs; resolves when that was sent, or failed. */
  cancel(): Promise<void>;
}

/**
 * Connects to the first address that answers. `onClient` gets each client before it connects, so that
 * its owner can destroy it; a throw ends the attempt.
 */
export async function openClient(
  address: DatabaseAddress,
  guard: EgressGuard,
  onClient: (client: pg.Client) => void,
): Promise<OpenedClient> {
  const targets = await guard.resolve(address.host);
  let failure: unknown;
  for (const target of targets.slice(0, ADDRESSES_MAX)) {
    try {
      return await openAt(target.address, address, onClient);
    } catch (error) {
      if (sqlStateOf(error)) throw error;
      failure = error;
    }
  }
  throw failure;
}

async function openAt(
  ip: string,
  address: DatabaseAddress,
  onClient: (client: pg.Client) => void,
): Promise<OpenedClient> {
  const connect = async (ssl: pg.ClientConfig["ssl"]): Promise<OpenedClient> => {
    const client = createClient(ip, address, ssl);
    onClient(client);
    await client.connect().catch((error: unknown) => {
      wireOf(client).stream.destroy();
      throw asFault(error);
    });
    return { client, cancel: () => cancel(client, { ip, port: address.port, ssl }) };
  };
  if (address.tls === "disable") return connect(false);
  try {
    return await connect(tlsOptions(address));
  } catch (error) {
    const isRefused = error instanceof SinkFault && error.reason === "TLS_FAILED";
    if (address.tls !== "prefer" || !isRefused) throw error;
    return connect(false);
  }
}

/** Everything is given here, for pg would else look into the server's own environment. */
function createClient(ip: string, address: DatabaseAddress, ssl: pg.ClientConfig["ssl"]) {
  const client = new pg.Client({
    host: ip,
    port: address.port,
    database: address.database,
    user: address.user,
    // A function, for pg would look for a forgotten password in ~/.pgpass.
    password: () => address.password,
    ssl,
    sslnegotiation: "postgres",
    client_encoding: "UTF8",
    application_name: "tributary",
    keepAlive: true,
    keepAliveInitialDelayMillis: 60_000,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  // pg has no setting that keeps PGOPTIONS and PGREPLICATION away.
  const parameters = (client as unknown as { connectionParameters: Record<string, unknown> })
    .connectionParameters;
  parameters.options = undefined;
  parameters.replication = undefined;
  return client;
}

function tlsOptions(address: DatabaseAddress): object {
  return {
    rejectUnauthorized: address.tls === "verify-full",
    ...(address.authority && { ca: address.authority }),
    ...(isIP(address.host) === 0 && { servername: address.host }),
  };
}

/** The connection below a client. */
export function wireOf(client: pg.Client): Wire {
  return (client as unknown as { connection: Wire }).connection;
}

/** Failures of pg itself come without a code: told apart by their words. */
function asFault(error: unknown): unknown {
  if (!(error instanceof Error) || "code" in error) return error;
  const { message } = error;
  if (message === "timeout expired") {
    return new SinkFault("TIMEOUT", "no connection in 10 s", { cause: error });
  }
  if (message.includes("SSL connection")) {
    return new SinkFault("TLS_FAILED", "the server offers no TLS", { cause: error });
  }
  if (message.startsWith("SASL")) {
    const why = "the server asks for a password that this one cannot be";
    return new SinkFault("AUTHENTICATION_FAILED", why, { cause: error });
  }
  return new SinkFault("CONNECTION_FAILED", "the server closed the connection", { cause: error });
}

interface CancelTarget {
  readonly ip: string;
  readonly port: number;
  readonly ssl: pg.ClientConfig["ssl"];
}

/** A cancel request goes over a connection of its own, with TLS where the client has it. */
function cancel(client: pg.Client, { ip, port, ssl }: CancelTarget): Promise<void> {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const connection = new pg.Connection({ ssl }) as unknown as Wire;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(() => connection.stream.destroy(), CANCEL_TIMEOUT_MS);
  const send = () => connection.cancel(processID, secretKey);
  connection.on("connect", () => (ssl ? connection.requestSsl() : send()));
  connection.on("sslconnect", send);
  connection.on("error", () => connection.stream.destroy());
  // The server closes when it has read the request.
  connection.on("end", () => {
    clearTimeout(timer);
    resolve();
  });
  connection.connect(port, ip);
  return promise;
}
