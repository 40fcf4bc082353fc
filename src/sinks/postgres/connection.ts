import type pg from "pg";
import type { EgressGuard } from "../egress.ts";
import { SinkFault, timeoutFault } from "../sink-fault.ts";
import { type OpenedClient, openClient, wireOf } from "./client.ts";
import { type CopyWork, createCopyQuery, Fenced } from "./copy-query.ts";
import type { DatabaseAddress } from "./database-url.ts";
import { sqlStateOf } from "./fault.ts";

/** A row of a result. */
export type ResultRow = Readonly<Record<string, unknown>>;

/** One connection; after a failure of the connection it is broken for good and a new one is made. */
export interface Connection {
  readonly isBroken: boolean;
  /** Runs one statement with parameters; at the signal it is cancelled and the connection destroyed. */
  run(text: string, parameters: readonly unknown[], signal: AbortSignal): Promise<ResultRow[]>;
  /**
   * Runs a COPY with the statements around it; the signal ends it as it ends `run`. `isBehind`: another COPY was
   * sent to its end and is not answered yet, and this one is sent at once.
   */
  copy(work: CopyWork, signal: AbortSignal, isBehind?: boolean): Promise<void>;
  /** Ends the connection, at once when `error` is given. */
  close(error?: Error): Promise<void>;
}

/** How long a server may take to say goodbye. */
const CLOSE_TIMEOUT_MS = 1_000;
/** Above the longest attempt (120 s): for a server that missed the cancel request. */
const SESSION = `SELECT set_config('statement_timeout', '130s', false),
  set_config('idle_in_transaction_session_timeout', '150s', false),
  set_config('lock_timeout', '60s', false)`;

/** Makes a connection that is opened by its first statement. */
export function createConnection(address: DatabaseAddress, guard: EgressGuard): Connection {
  let opened: OpenedClient | undefined;
  let latest: pg.Client | undefined;
  let isBroken = false;
  const destroy = (error: Error) => {
    isBroken = true;
    if (latest) wireOf(latest).stream.destroy(error);
  };
  const watch = (client: pg.Client) => {
    latest = client;
    client.on("error", () => {
      isBroken = true;
    });
    client.on("end", () => {
      isBroken ||= opened?.client === client;
    });
    // What was given up meanwhile connects to no further address.
    if (isBroken) throw new SinkFault("CONNECTION_FAILED", "the connection was given up");
  };
  const open = async (): Promise<pg.Client> => {
    if (opened) return opened.client;
    const fresh = await openClient(address, guard, watch);
    await fresh.client.query(SESSION);
    opened = fresh;
    return fresh.client;
  };
  /** Runs `work`, and at the signal ends it, the statement in the server, and the connection. */
  const within = async <T>(
    signal: AbortSignal,
    work: (client: pg.Client) => Promise<T>,
  ): Promise<T> => {
    if (signal.aborted) throw timeoutFault("the statement");
    if (isBroken) throw new SinkFault("CONNECTION_FAILED", "the server closed the connection");
    const aborted = Promise.withResolvers<never>();
    const stop = () => {
      const fault = timeoutFault("the statement");
      void opened?.cancel();
      destroy(fault);
      aborted.reject(fault);
    };
    signal.addEventListener("abort", stop, { once: true });
    try {
      return await Promise.race([open().then(work), aborted.promise]);
    } catch (error) {
      const isLost = isBroken || isEnd(error);
      // What is no answer to a statement came from a connection that is lost, or being made.
      const isAnswer = error instanceof Fenced || sqlStateOf(error) !== undefined;
      if (!opened || isLost || !isAnswer) isBroken = true;
      throw isLost ? lostFault(error) : error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  };
  return {
    get isBroken() {
      return isBroken;
    },
    run: (text, parameters, signal) =>
      within(signal, async (client) => {
        const values = parameters.length > 0 ? [...parameters] : undefined;
        return (await client.query(text, values)).rows as ResultRow[];
      }),
    copy: (work, signal, isBehind = false) =>
      within(signal, (client) => {
        const query = createCopyQuery(work);
        // pg gives it the answers that come after those of the query before.
        if (isBehind) query.submit(wireOf(client));
        client.query(query);
        return query.outcome;
      }),
    async close(error) {
      if (error) destroy(error);
      isBroken = true;
      if (!latest) return;
      const { stream } = wireOf(latest);
      const timer = setTimeout(() => stream.destroy(), CLOSE_TIMEOUT_MS);
      await latest.end().catch(() => undefined);
      clearTimeout(timer);
    },
  };
}

/** Whether the server announces that it ends the connection: 08, and 57P01 to 57P05. */
function isEnd(error: unknown): boolean {
  return /^(08|57P0[1245])/.test(sqlStateOf(error) ?? "");
}

/** pg tells the loss of a connection by errors without a code. */
function lostFault(error: unknown): unknown {
  const isNamed = error instanceof SinkFault || (error instanceof Error && "code" in error);
  if (isNamed && !isEnd(error)) return error;
  return new SinkFault("CONNECTION_FAILED", "the server closed the connection", { cause: error });
}
