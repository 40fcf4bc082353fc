/** Three nats-servers in a cluster, each of which can be killed and started again. */
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { findFreePort } from "../../../src/embedded/free-port.ts";
import { startTestNats, type TestNats } from "../nats.ts";
import { waitFor } from "../server.ts";

/** The cluster. */
export interface NatsCluster {
  /** All addresses, as `NATS_URL` takes them. */
  readonly url: string;
  /** The server that leads a stream now. */
  leaderOf(stream: string): Promise<TestNats>;
  /** Names of the streams that hold records. */
  streams(): Promise<string[]>;
  /** Waits until every stream has a leader and all its copies are current. */
  whole(): Promise<void>;
  /**
   * Waits until a server that lives leads each of these streams and the consumers that they had at the
   * beginning; gives when that was, in `performance.now()` terms. A dead server answers nothing.
   */
  led(streams: readonly string[]): Promise<number>;
  close(): Promise<void>;
}

/** Starts the cluster. */
export async function startNatsCluster(servers = 3): Promise<NatsCluster> {
  const routes = await Promise.all(Array.from({ length: servers }, () => findFreePort()));
  const clients = await Promise.all(Array.from({ length: servers }, () => findFreePort()));
  const nodes = await Promise.all(
    routes.map((route, i) =>
      startTestNats({
        port: clients[i]!,
        startTimeoutMs: 60_000,
        config: `server_name: n${i}
cluster {
  name: faults
  listen: "127.0.0.1:${route}"
  routes: [${routes.map((port) => `"nats://127.0.0.1:${port}"`).join(", ")}]
}`,
      }),
    ),
  );
  const url = nodes.map((node) => node.url).join(",");
  const connection: NatsConnection = await connect({
    servers: url.split(","),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
  });
  const manager = await waitFor(
    () => jetstreamManager(connection, { timeout: 5_000 }).catch(() => undefined),
    { timeoutMs: 60_000, what: "JetStream of the cluster" },
  );
  const infos = async () => {
    const found = [];
    for await (const info of manager.streams.list()) found.push(info);
    return found;
  };
  return {
    url,
    async leaderOf(stream) {
      const leader = await waitFor(
        async () => {
          const info = await manager.streams.info(stream).catch(() => undefined);
          return info?.cluster?.leader;
        },
        { timeoutMs: 30_000, everyMs: 100, what: `a leader of ${stream}` },
      );
      return nodes[Number(leader.slice(1))]!;
    },
    async streams() {
      const names = (await infos()).map(({ config }) => config);
      return names.filter(({ num_replicas }) => num_replicas === servers).map(({ name }) => name);
    },
    async whole() {
      await waitFor(
        async () => {
          const found = await infos().catch(() => []);
          return (
            found.length > 0 &&
            found.every(
              ({ cluster }) => cluster?.leader && cluster.replicas?.every((r) => r.current),
            )
          );
        },
        { timeoutMs: 60_000, everyMs: 200, what: "the copies to be current" },
      );
    },
    async led(names) {
      const leads = async (subject: string) => {
        const info = await ask(connection, subject);
        return info?.cluster?.leader !== undefined;
      };
      await waitFor(
        async () => {
          const streams = await Promise.all(names.map((name) => leads(`STREAM.INFO.${name}`)));
          const owners = await Promise.all(
            names
              .filter((name) => name.includes("SHARD"))
              .map((name) => leads(`CONSUMER.INFO.${name}.owner`)),
          );
          return [...streams, ...owners].every(Boolean);
        },
        { timeoutMs: 60_000, everyMs: 50, what: `a leader of each of ${names.join(", ")}` },
      );
      return performance.now();
    },
    async close() {
      await connection.close();
      await Promise.all(nodes.map((node) => node.close()));
    },
  };
}

interface Info {
  readonly cluster?: { readonly leader?: string };
  readonly error?: unknown;
}

/** Asks JetStream once, for a short time: who leads answers at once, and nobody else does. */
async function ask(connection: NatsConnection, subject: string): Promise<Info | undefined> {
  const answer = await connection
    .request(`$JS.API.${subject}`, "", { timeout: 500 })
    .catch(() => undefined);
  return answer?.json<Info>();
}
