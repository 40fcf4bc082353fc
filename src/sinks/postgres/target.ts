import { createHash } from "node:crypto";
import type { EgressGuard } from "../egress.ts";
import { timeoutFault } from "../sink-fault.ts";
import { type Connection, createConnection, type ResultRow } from "./connection.ts";
import type { CopyWork } from "./copy-query.ts";
import type { DatabaseAddress } from "./database-url.ts";

/** Runs statements on one connection. */
export type Run = (text: string, parameters?: readonly unknown[]) => Promise<ResultRow[]>;

/** One connection for as long as a piece of work has it. */
export interface Session {
  readonly run: Run;
  /** Runs a COPY with the statements around it, in one round trip. */
  copy(work: CopyWork): Promise<void>;
  /** What `follow` goes behind. */
  readonly lease: Lease;
}

/** The use of a connection, by one piece of work or by several that follow each other. */
export interface Lease {
  readonly connection: Connection;
  users: number;
}

/** A database that sinks of this process share: at most four connections. */
export interface Target {
  /** Runs `work` on a connection of its own; waits for one in order. */
  use<T>(signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T>;
  /**
   * As `use`, on the connection that another piece of work has, all of whose COPY was sent: this one is sent
   * before that is answered. Undefined when the connection is gone, or others wait for one.
   */
  follow<T>(
    lease: Lease,
    signal: AbortSignal,
    work: (session: Session) => Promise<T>,
  ): Promise<T> | undefined;
  /** As `use`, in a transaction that is committed when `work` succeeds. */
  transact<T>(signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T>;
  /**
   * The last request that the target holds, as far as this process knows, by sink and partition.
   * Shared, for two versions of one sink may be open at once.
   */
  readonly lastRequests: Map<string, string | null>;
  /** Gives the target back; the last one closes the connections. Idempotent. */
  release(): Promise<void>;
}

const CONNECTIONS_MAX = 4;
const IDLE_MS = 60_000;

interface Pool {
  readonly idle: Connection[];
  readonly waiting: (() => void)[];
  readonly lastRequests: Map<string, string | null>;
  used: number;
  sinks: number;
  idleTimer: NodeJS.Timeout | undefined;
}

const pools = new Map<string, Pool>();

/** The target at an address; every caller releases it. `scope` keeps different egress rules apart. */
export function acquireTarget(address: DatabaseAddress, guard: EgressGuard, scope: string): Target {
  const key = createHash("sha256")
    .update(JSON.stringify([address, scope]))
    .digest("base64");
  const pool: Pool = pools.get(key) ?? {
    idle: [],
    waiting: [],
    lastRequests: new Map(),
    used: 0,
    sinks: 0,
    idleTimer: undefined,
  };
  pools.set(key, pool);
  pool.sinks += 1;
  let isReleased = false;
  const use: Target["use"] = async (signal, work) => {
    await takeTurn(pool, signal);
    const connection = takeIdle(pool) ?? createConnection(address, guard);
    return runWith(pool, { connection, users: 0 }, { signal, work });
  };
  return {
    use,
    follow(lease, signal, work) {
      if (lease.users === 0 || lease.connection.isBroken || pool.waiting.length > 0)
        return undefined;
      return runWith(pool, lease, { signal, work });
    },
    lastRequests: pool.lastRequests,
    transact: (signal, work) =>
      use(signal, (session) => inTransaction(session.run, () => work(session))),
    async release() {
      if (isReleased) return;
      isReleased = true;
      pool.sinks -= 1;
      if (pool.sinks > 0) return;
      pools.delete(key);
      await closeIdle(pool);
    },
  };
}

async function runWith<T>(
  pool: Pool,
  lease: Lease,
  { signal, work }: { signal: AbortSignal; work: (session: Session) => Promise<T> },
): Promise<T> {
  const { connection } = lease;
  lease.users += 1;
  const isBehind = lease.users > 1;
  try {
    return await work({
      run: (text, parameters = []) => connection.run(text, parameters, signal),
      copy: (job) => connection.copy(job, signal, isBehind),
      lease,
    });
  } catch (error) {
    // The end of the time may fall between two statements and leave a transaction open.
    if (signal.aborted) connection.close(timeoutFault("the work")).catch(() => undefined);
    throw error;
  } finally {
    lease.users -= 1;
    if (lease.users === 0) giveBack(pool, connection);
  }
}

async function inTransaction<T>(run: Run, work: () => Promise<T>): Promise<T> {
  await run("BEGIN");
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await run("ROLLBACK").catch(() => undefined);
    throw error;
  }
  await run("COMMIT");
  return result;
}

function takeTurn(pool: Pool, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.reject(timeoutFault("waiting for a connection"));
  if (pool.used < CONNECTIONS_MAX) {
    pool.used += 1;
    return Promise.resolve();
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stop = () => {
    pool.waiting.splice(pool.waiting.indexOf(go), 1);
    reject(timeoutFault("waiting for a connection"));
  };
  const go = () => {
    signal.removeEventListener("abort", stop);
    resolve();
  };
  signal.addEventListener("abort", stop, { once: true });
  pool.waiting.push(go);
  return promise;
}

function takeIdle(pool: Pool): Connection | undefined {
  for (;;) {
    const connection = pool.idle.pop();
    if (!connection) return undefined;
    if (!connection.isBroken) return connection;
    discard(connection);
  }
}

function giveBack(pool: Pool, connection: Connection): void {
  if (connection.isBroken || pool.sinks === 0) discard(connection);
  else pool.idle.push(connection);
  const next = pool.waiting.shift();
  if (next) {
    next();
    return;
  }
  pool.used -= 1;
  if (pool.used > 0 || pool.idle.length === 0) return;
  clearTimeout(pool.idleTimer);
  pool.idleTimer = setTimeout(() => {
    if (pool.used === 0) void closeIdle(pool);
  }, IDLE_MS).unref();
}

function discard(connection: Connection): void {
  connection.close().catch(() => undefined);
}

async function closeIdle(pool: Pool): Promise<void> {
  clearTimeout(pool.idleTimer);
  const idle = pool.idle.splice(0);
  await Promise.all(idle.map((connection) => connection.close().catch(() => undefined)));
}
