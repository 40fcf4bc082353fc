/** Servers on a NATS and a Postgres of their own, for tests with several nodes or outages of either. */
import { findFreePort } from "../../src/embedded/free-port.ts";
import { startTestNats, type TestNats, type TestNatsOptions } from "./nats.ts";
import { startTestPostgres, type TestPostgres } from "./postgres.ts";
import {
  type LaunchedServer,
  launchServer,
  makeDataDir,
  type ServerOptions,
  startServer,
  type TestServer,
} from "./server.ts";

/** NATS, Postgres and any number of nodes on them. */
export interface Cluster {
  readonly nats: TestNats;
  readonly postgres: TestPostgres;
  /** Database of the nodes themselves. */
  readonly databaseUrl: string;
  /** Database for tables of sinks. */
  readonly sinkDatabaseUrl: string;
  readonly nodes: readonly TestServer[];
  /** Starts a node, which shares definitions and data with the others. */
  startNode(options?: ServerOptions): Promise<TestServer>;
  /** Starts one, after the first, without waiting for it; the caller ends it. */
  launchNode(options?: ServerOptions): LaunchedServer;
  close(): Promise<void>;
}

/** Starts NATS and Postgres, and no node yet. */
export async function startCluster(options: { nats?: TestNatsOptions } = {}): Promise<Cluster> {
  const [nats, postgres] = await Promise.all([
    startTestNats(options.nats),
    startTestPostgres({ durable: true }),
  ]);
  const [control, sinks] = await Promise.all([
    postgres.createDatabase("test_control"),
    postgres.createDatabase("test_sinks"),
  ]);
  const masterKey = Buffer.alloc(32, 5).toString("base64");
  const nodes: TestServer[] = [];
  const envOf = (node: ServerOptions) => ({
    NATS_URL: nats.url,
    DATABASE_URL: control,
    TRIBUTARY_DEMO: "1",
    TRIBUTARY_EGRESS_LOOPBACK: "1",
    TRIBUTARY_MASTER_KEY: masterKey,
    ...node.env,
  });
  // All nodes read the demo application's secret where the first one wrote it.
  const folderOf = (node: ServerOptions) => node.dataDir ?? nodes[0]?.dataDir ?? makeDataDir();
  return {
    nats,
    postgres,
    databaseUrl: control,
    sinkDatabaseUrl: sinks,
    nodes,
    async startNode(node = {}) {
      const server = await startServer({
        ...node,
        dataDir: folderOf(node),
        port: node.port ?? (await findFreePort()),
        env: envOf(node),
      });
      nodes.push(server);
      return server;
    },
    launchNode: (node = {}) => launchServer({ ...node, dataDir: folderOf(node), env: envOf(node) }),
    async close() {
      for (const node of nodes) await node.close();
      await Promise.all([nats.close(), postgres.close()]);
    },
  };
}
