/** A real Kafka: one broker with its controller (KRaft), and Kafka Connect, both from Maven. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const sources = join(import.meta.dirname, "kafka");
const cache = join(import.meta.dirname, "../../.cache");

/** A broker and what runs beside it. */
export interface TestKafka {
  readonly address: string;
  /** Writes JSON records `{"event":{"id":"e-<i>"},"n":<i>}`. */
  produce(topic: string, count: number): Promise<void>;
  /** Starts Kafka Connect with one connector. */
  startConnect(connector: Readonly<Record<string, string>>): Promise<void>;
  /** SIGKILL, and a start on the same data. */
  restartBroker(): Promise<void>;
  restartConnect(): Promise<void>;
  /** State of the connector's task, such as RUNNING; empty while Connect does not answer. */
  taskState(): Promise<string>;
  /** Starts a failed task again. */
  restartTask(): Promise<void>;
  /** Last lines of both logs. */
  output(): string;
  close(): Promise<void>;
}

/** Whether the machine has a JDK and Maven. */
export async function hasJava(): Promise<boolean> {
  const has = async (name: string, flag: string) =>
    run(name, [flag]).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
    );
  return (await has("javac", "-version")) && (await has("mvn", "-version"));
}

/** Jars from Maven, kept for later runs. Fails when they cannot be had. */
async function installJars(): Promise<string> {
  const target = join(cache, "kafka-3.9.0");
  if (existsSync(target)) return target;
  await mkdir(cache, { recursive: true });
  const staged = await mkdtemp(join(cache, "making-"));
  await run(
    "mvn",
    [
      "-q",
      "-B",
      "-ntp",
      "-f",
      join(sources, "pom.xml"),
      "dependency:copy-dependencies",
      `-DoutputDirectory=${staged}`,
    ],
    { timeout: 590_000, cwd: staged },
  );
  await rename(staged, target).catch(() => rm(staged, { recursive: true, force: true }));
  return target;
}

async function freePort(): Promise<number> {
  return await new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

/** Starts a broker on a folder of its own. */
export async function startKafka(): Promise<TestKafka> {
  const jars = await installJars();
  const dir = await mkdtemp(join(tmpdir(), "tributary-kafka-"));
  const classes = join(dir, "classes");
  await mkdir(classes);
  await cp(sources, join(dir, "src"), { recursive: true });
  const java = (await readdir(sources)).filter((name) => name.endsWith(".java"));
  const classPath = `${join(jars, "*")}:${classes}`;
  await run("javac", [
    "-cp",
    join(jars, "*"),
    "-d",
    classes,
    ...java.map((name) => join(sources, name)),
  ]);
  const [port, controllerPort, connectPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const address = `127.0.0.1:${port}`;
  const config = join(dir, "server.properties");
  await writeFile(config, brokerConfig({ dir, port, controllerPort }));
  const jvm = ["-Xmx384m", "-cp", classPath];
  const clusterId = "AAAAAAAAAAAAAAAAAAAAAA";
  await run("java", [...jvm, "kafka.tools.StorageTool", "format", "-t", clusterId, "-c", config]);

  let log = "";
  const launch = (name: string, args: readonly string[]): ChildProcess => {
    const child = spawn("java", [...jvm, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    const keep = (chunk: Buffer) => {
      log = `${log}${name}: ${chunk}`.slice(-20_000);
    };
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
    return child;
  };
  const startBroker = () => launch("broker", ["kafka.Kafka", config]);
  const worker = join(dir, "worker.properties");
  const connectorFile = join(dir, "connector.properties");
  const startWorker = () =>
    launch("connect", ["org.apache.kafka.connect.cli.ConnectStandalone", worker, connectorFile]);
  await writeFile(worker, workerConfig({ dir, address, connectPort }));
  let broker = startBroker();
  let connect: ChildProcess | undefined;
  const rest = `http://127.0.0.1:${connectPort}/connectors/http-lines`;

  return {
    address,
    async produce(topic, count) {
      await run("java", [...jvm, "Produce", address, topic, String(count)], { timeout: 120_000 });
    },
    async startConnect(connector) {
      await writeFile(connectorFile, properties({ name: "http-lines", ...connector }));
      connect = startWorker();
    },
    async restartBroker() {
      await kill(broker);
      broker = startBroker();
    },
    async restartConnect() {
      if (connect) await kill(connect);
      connect = startWorker();
    },
    async taskState() {
      const answer = await fetch(`${rest}/status`, { signal: AbortSignal.timeout(5_000) }).catch(
        () => undefined,
      );
      if (!answer?.ok) return "";
      const { tasks } = (await answer.json()) as { tasks: { state: string }[] };
      return tasks[0]?.state ?? "";
    },
    async restartTask() {
      await fetch(`${rest}/tasks/0/restart`, {
        method: "POST",
        signal: AbortSignal.timeout(5_000),
      }).catch(() => undefined);
    },
    output: () => log,
    async close() {
      if (connect) await kill(connect);
      await kill(broker);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  while (child.exitCode === null && child.signalCode === null) await delay(20);
}

function properties(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}

function brokerConfig({
  dir,
  port,
  controllerPort,
}: {
  dir: string;
  port: number;
  controllerPort: number;
}): string {
  return properties({
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.quorum.voters": `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${port}`,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "log.dirs": join(dir, "data"),
    "num.partitions": 1,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "group.initial.rebalance.delay.ms": 0,
  });
}

function workerConfig({
  dir,
  address,
  connectPort,
}: {
  dir: string;
  address: string;
  connectPort: number;
}): string {
  const text = "org.apache.kafka.connect.storage.StringConverter";
  return properties({
    "bootstrap.servers": address,
    "key.converter": text,
    "value.converter": text,
    "offset.storage.file.filename": join(dir, "offsets"),
    "offset.flush.interval.ms": 1_000,
    listeners: `http://127.0.0.1:${connectPort}`,
    "consumer.max.poll.records": 500,
    "consumer.session.timeout.ms": 6_000,
    "consumer.heartbeat.interval.ms": 1_000,
  });
}
