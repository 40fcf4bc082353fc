/** The real server under measurement, bound to its CPU. */
import { embeddedPid, startServer, type TestServer } from "../test/support/server.ts";
import type { Watched } from "./load/run-load.ts";
import { OTHER_CPU, pin, residentBytes, SERVER_CPU } from "./processes.ts";

/** What a run is told on the command line. */
export interface BenchOptions {
  /** How long each measurement takes. */
  readonly seconds: number;
  /** Rounds over all measurements; the tables show medians. */
  readonly runs: number;
  /** How long a soak takes. */
  readonly minutes: number;
  /** A regular expression: only measurements whose name matches. Empty for all. */
  readonly only: string;
  /** Folder for a CPU profile of the server; empty for none. */
  readonly profile: string;
}

/** The server with its processes. */
export interface Rig {
  readonly server: TestServer;
  readonly processes: readonly Watched[];
  /** Resident bytes by process, before any load. */
  readonly idle: Readonly<Record<string, number>>;
  close(): Promise<void>;
}

/** How long the server rests before its idle memory is read. */
const REST_MS = 3_000;

/** Starts the server with its embedded servers, which sync before each answer. */
export async function openRig(options: BenchOptions, nodeOptions = ""): Promise<Rig> {
  const profile = `--cpu-prof --cpu-prof-interval=500 --cpu-prof-dir=${options.profile}`;
  const env = {
    // One address makes all calls of the benchmarks.
    TRIBUTARY_RATE_TOKEN: "0",
    // All that is measured is measured with metrics on.
    TRIBUTARY_METRICS_PORT: "0",
    NODE_OPTIONS: [nodeOptions, options.profile && profile].filter(Boolean).join(" "),
  };
  const server = await startServer({ env });
  const processes = [
    { name: "node", pid: server.child.pid! },
    { name: "nats-server", pid: embeddedPid(server.dataDir, "nats") },
    { name: "postgres", pid: embeddedPid(server.dataDir, "postgres"), withChildren: true },
  ];
  pin(processes[1]!.pid, OTHER_CPU);
  pin(processes[2]!.pid, OTHER_CPU);
  pin(processes[0]!.pid, SERVER_CPU, { withChildren: false });
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
  const idle = Object.fromEntries(
    processes.map((each) => [each.name, residentBytes(each.pid, each.withChildren)]),
  );
  return { server, processes, idle, close: () => server.close() };
}
