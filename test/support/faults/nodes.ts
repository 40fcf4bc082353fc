/** Nodes with one task each, on one cluster, so that a fault meets pushes or delivery alone. */
import { findFreePort } from "../../../src/embedded/free-port.ts";
import type { Cluster } from "../cluster.ts";
import type { TestServer } from "../server.ts";

/** A node that is killed and started again under one address. */
export interface Node {
  readonly url: string;
  /** The process of now. */
  readonly server: TestServer;
  /** Ends it with -9 (or another signal); gives its exit code. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
  /** Starts it again. */
  start(): Promise<void>;
}

/** Starts a node with these roles, on a port that stays. */
export async function startFaultNode(
  cluster: Cluster,
  roles: string,
  env: Record<string, string> = {},
): Promise<Node> {
  const port = await findFreePort();
  const start = () => cluster.startNode({ port, env: { TRIBUTARY_ROLES: roles, ...env } });
  let server = await start();
  return {
    url: server.url,
    get server() {
      return server;
    },
    end: (signal = "SIGKILL") => server.stop(signal),
    async start() {
      server = await start();
    },
  };
}
