import { connect, type Socket } from "node:net";
import postgres from "postgres";
import type { EgressGuard } from "../egress.ts";
import { SinkFault, timeoutFault } from "../sink-fault.ts";
import type { DatabaseAddress } from "./database-url.ts";
import { sqlStateOf } from "./fault.ts";

/** A row of a result. */
export type ResultRow = Readonly<Record<string, unknown>>;

/** One connection; after a failure of the connection it is broken for good and a new one is made. */
export interface Connection {
  readonly isBroken: boolean;
  /** Runs one statement with parameters; at the signal it is cancelled and the connection destroyed. */
  run(text: string, parameters: readonly unknown[], signal: AbortSignal): Promise<ResultRow[]>;
  /** Ends the connection, at once when `error` is given. */
  close(error?: Error): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** Above the longest attempt (120 s): for a server that missed the cancel request. */
const SESSION = `SELECT set_config('statement_timeout', '130s', false),
  set_config('idle_in_transaction_session_timeout', '150s', false),
  set_config('lock_timeout', '60s', false)`;

/**
 * Makes a connection that is opened by its first statement. One postgres.js client with one socket:
 * that client alone would reconnect, without end, to a server that closes during the start.
 */
export function createConnection(address: DatabaseAddress, guard: EgressGuard): Connection {
  let socket: Socket | undefined;
  let isBroken = false;
  let isCancelling = false;
  let isPrepared = false;
  const openSocket = async (): Promise<Socket> => {
    if (isBroken && !isCancelling) throw new SinkFault("CONNECTION_FAILED", "closed by the server");
    const opened = await connectSocket(address, guard);
    if (isCancelling) return opened;
    if (socket) isBroken = true;
    if (isBroken) {
      opened.destroy();
      throw new SinkFault("CONNECTION_FAILED", "the server closed the connection");
    }
    socket = opened;
    opened.once("close", () => {
      isBroken = true;
    });
    return opened;
  };
  const sql = postgres(clientOptions(address, openSocket));
  const destroy = (error: Error) => {
    isBroken = true;
    socket?.destroy(error);
  };
  const execute = async (text: string, parameters: readonly unknown[], signal: AbortSignal) => {
    if (signal.aborted) throw timeoutFault("the statement");
    const query = sql.unsafe(text, [...parameters] as never[], { prepare: parameters.length > 0 });
    const aborted = Promise.withResolvers<never>();
    const stop = () => {
      isCancelling = socket !== undefined;
      Promise.resolve(query.cancel()).catch(() => undefined);
      const fault = timeoutFault("the statement");
      destroy(fault);
      aborted.reject(fault);
    };
    signal.addEventListener("abort", stop, { once: true });
    try {
      return (await Promise.race([query, aborted.promise])) as ResultRow[];
    } catch (error) {
      // What is no answer to a statement, or announces the end, came from a connection that is lost.
      if (!isPrepared || /^(08|57P)/.test(sqlStateOf(error) ?? "08")) isBroken = true;
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  };
  return {
    get isBroken() {
      return isBroken;
    },
    async run(text, parameters, signal) {
      if (!isPrepared) {
        await execute(SESSION, [], signal);
        isPrepared = true;
      }
      return execute(text, parameters, signal);
    },
    async close(error) {
      if (error) destroy(error);
      isBroken = true;
      await sql.end({ timeout: error ? 0 : 1 });
    },
  };
}

/** Everything is given here, for postgres.js would else look into the server's own environment. */
function clientOptions(address: DatabaseAddress, openSocket: () => Promise<Socket>) {
  const options = {
    host: [address.host],
    port: [address.port],
    database: address.database,
    user: address.user,
    password: () => address.password,
    ssl: sslOf(address),
    max: 1,
    idle_timeout: 0,
    max_lifetime: 0,
    connect_timeout: CONNECT_TIMEOUT_MS / 1000,
    fetch_types: false,
    prepare: true,
    keep_alive: 60,
    backoff: () => 0,
    sslnegotiation: null,
    connection: { application_name: "tributary" },
    onnotice: () => undefined,
    socket: openSocket,
  };
  return options as unknown as postgres.Options<Record<string, never>>;
}

function sslOf(address: DatabaseAddress): boolean | string | object {
  if (address.tls === "disable") return false;
  return address.tls === "verify-full" ? { rejectUnauthorized: true } : address.tls;
}

async function connectSocket(address: DatabaseAddress, guard: EgressGuard): Promise<Socket> {
  const targets = await guard.resolve(address.host);
  let failure: unknown;
  for (const target of targets.slice(0, 4)) {
    try {
      return await connectTo(target.address, address);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function connectTo(ip: string, { host, port }: DatabaseAddress): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  // A long parameter list waits 40 ms for each delayed acknowledgement under Nagle.
  const socket = connect({ host: ip, port, noDelay: true, timeout: CONNECT_TIMEOUT_MS });
  socket.once("timeout", () => socket.destroy(new SinkFault("TIMEOUT", "no connection in 10 s")));
  socket.once("error", reject);
  socket.once("connect", () => {
    socket.setTimeout(0);
    socket.removeAllListeners("timeout");
    socket.removeListener("error", reject);
    // postgres.js reads it for the name in TLS (SNI) and for the check of the certificate.
    resolve(Object.assign(socket, { host, port }));
  });
  return promise;
}
