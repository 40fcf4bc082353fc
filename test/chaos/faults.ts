/** The faults of `npm run test:chaos`, by name. */

/** What a fault needs of the machine. */
export type Need = "linux" | "root" | "strace" | "faketime";

/** One fault. */
export interface Fault {
  /** Test files, from the root of the repository. */
  readonly files: readonly string[];
  /** What it does and what it shows. */
  readonly shows: string;
  readonly needs?: readonly Need[];
}

const chaos = (name: string) => [`test/chaos/${name}.chaos.test.ts`];

/** All of them, in the order in which they run. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  "kill-nats": {
    files: chaos("kill-nats"),
    shows: "nats-server killed with -9 under load: nothing lost, doubled or out of order",
  },
  "kill-postgres": {
    files: chaos("kill-postgres"),
    shows: "the database killed with -9: pushes go on, the Postgres sink catches up",
  },
  "kill-server": {
    files: chaos("kill-server"),
    shows: "the whole server killed with -9, starting again on its data",
  },
  "kill-ingest": {
    files: chaos("kill-ingest"),
    shows: "a node that takes pushes killed: acknowledged is there, sent again is stored once",
  },
  "kill-delivery": {
    files: chaos("kill-delivery"),
    shows: "the node that delivers killed: Postgres has each row once, in order",
  },
  "kill-delivery-webhook": {
    files: chaos("kill-delivery"),
    shows: "the same run: a webhook gets at most what was under way again, with the same id",
  },
  "crash-points": {
    files: chaos("crash-points"),
    shows: "a process that delivers killed with -9 at each point that a crash could tear",
  },
  "kill-everything": {
    files: chaos("kill-everything"),
    shows: "NATS, Postgres and node killed at once, started in any order: serves within 15 s",
  },
  "power-cut": {
    files: chaos("power-cut"),
    shows: "only what was synced to disk comes back; a control without fsync does lose",
    needs: ["linux", "root"],
  },
  "disk-full": {
    files: chaos("disk-full"),
    shows: "no OK for what found no room; refusals before the disk is full",
    needs: ["linux", "root"],
  },
  "cluster-leader": {
    files: chaos("cluster-leader"),
    shows:
      "of three nats-servers the leader killed again and again: pushes and deliveries work 10 s after the election, which is nats-server's own and takes 4 to 9 s",
  },
  net: {
    files: chaos("net"),
    shows: "slow, cut, half-closed, silent and refused connections to NATS, Postgres, each sink",
  },
  dedupe: {
    files: chaos("dedupe"),
    shows: "pushes sent three times across five restarts are stored once; after the window, twice",
  },
  deploy: {
    files: chaos("deploy"),
    shows:
      "nodes replaced one by one under load: every push succeeds, each node drains and ends with 0",
  },
  pause: {
    files: chaos("pause"),
    shows: "an owner of delivery frozen for 90 s and woken writes nothing after its heir",
  },
  "fsync-order": {
    files: chaos("fsync-order"),
    shows: "nats-server's system calls: every answer comes after the sync of its block",
    needs: ["linux", "root", "strace"],
  },
  "bit-flip": {
    files: chaos("bit-flip"),
    shows: "one bit of a stored block flipped: what is lost is reported, never silent",
  },
  clock: {
    files: chaos("clock"),
    shows: "the clock of server and Postgres an hour ahead and back: nothing lost or out of order",
    needs: ["linux", "faketime"],
  },
  "sink-modes": {
    files: chaos("sink-modes"),
    shows: "a webhook that fails, hangs, redirects, drips, resets beside a healthy one",
  },
  "sink-dead": {
    files: chaos("sink-dead"),
    shows: "a dead sink: memory stays flat, the backlog drains faster than it grew, in order",
  },
  mapping: {
    files: chaos("mapping"),
    shows: "hostile templates beside another project's pushes: these stay fast, nothing dies",
  },
  soak: {
    files: chaos("soak"),
    shows: "one fault after the other, at random, under a steady load",
  },
  "sink-outage": {
    files: chaos("sink-outage"),
    shows: "a sink's database away for 60 s: ERROR with its cause, the other sink goes on",
  },
  "kafka-sink": {
    files: ["test/e2e/kafka-sink.chaos.test.ts"],
    shows: "the server killed while it produces to Kafka",
  },
  "tributary-sink": {
    files: ["test/e2e/tributary-sink.chaos.test.ts"],
    shows: "the server killed while it pushes to another Tributary",
  },
};
