/** A real Kafka: one broker with its controller (KRaft), and Kafka Connect, both from Maven. */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { connect as connectTo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { freePort } from "./free-port.ts";

const run = promisify(execFile);
const sources = join(import.meta.dirname, "kafka");
const cache = join(import.meta.dirname, "../../.cache");

/** Who may use the second listener of a broker: TLS, with a login. */
export interface SecureListener {
  /** Private key (PKCS #8) and certificates in one PEM file. */
  readonly keyStore: string;
  /** Passwords of users who may do everything, by SASL PLAIN and by SCRAM-SHA-256. */
  readonly writers: Readonly<Record<string, string>>;
  /** Passwords of users without any right, by SASL PLAIN. */
  readonly strangers: Readonly<Record<string, string>>;
}

/** A broker and what runs beside it. */
export interface TestKafka {
  readonly address: string;
  /** Address of the second listener, where there is one. */
  readonly secureAddress: string;
  /** Sends a signal to the broker. */
  signalBroker(signal: NodeJS.Signals): void;
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

/** Starts a broker on a folder of its own. */
export async function startKafka(secure?: SecureListener): Promise<TestKafka> {
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
  const [port, controllerPort, connectPort, securePort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const address = `127.0.0.1:${port}`;
  const config = join(dir, "server.properties");
  await writeFile(config, brokerConfig({ dir, port, controllerPort, securePort, secure }));
  const jvm = ["-Xmx384m", "-cp", classPath];
  const clusterId = "AAAAAAAAAAAAAAAAAAAAAA";
  const scram = Object.entries(secure?.writers ?? {}).flatMap(([name, password]) => [
    "--add-scram",
    `SCRAM-SHA-256=[name=${name},password=${password}]`,
  ]);
  const format = ["kafka.tools.StorageTool", "format", "-t", clusterId, "-c", config, ...scram];
  await run("java", [...jvm, ...format]);

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
  await listens(port, () => log);
  const rest = `http://127.0.0.1:${connectPort}/connectors/http-lines`;

  return {
    address,
    secureAddress: `localhost:${securePort}`,
    signalBroker: (signal) => void broker.kill(signal),
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

/** Waits until the broker takes connections. */
async function listens(port: number, told: () => string): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    const isUp = await new Promise<boolean>((resolve) => {
      const socket = connectTo({ host: "127.0.0.1", port });
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (isUp) return;
    await delay(200);
  }
  throw new Error(`the broker takes no connections: ${told().slice(-3_000)}`);
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

interface BrokerConfig {
  readonly dir: string;
  readonly port: number;
  readonly controllerPort: number;
  readonly securePort: number;
  readonly secure: SecureListener | undefined;
}

function brokerConfig({ dir, port, controllerPort, securePort, secure }: BrokerConfig): string {
  const open = `PLAINTEXT://127.0.0.1:${port}`;
  const own = secure ? `,SECURE://localhost:${securePort}` : "";
  return properties({
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.quorum.voters": `1@127.0.0.1:${controllerPort}`,
    listeners: `${open},CONTROLLER://127.0.0.1:${controllerPort}${own}`,
    "advertised.listeners": `${open}${own}`,
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "log.dirs": join(dir, "data"),
    "num.partitions": 1,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "group.initial.rebalance.delay.ms": 0,
    ...(secure && secureConfig(secure)),
  });
}

function secureConfig({ keyStore, writers, strangers }: SecureListener): Record<string, string> {
  const users = Object.entries({ ...writers, ...strangers });
  const passwords = users.map(([name, password]) => `user_${name}="${password}"`).join(" ");
  const modules = "org.apache.kafka.common.security";
  const own = "listener.name.secure";
  const all = ["ANONYMOUS", ...Object.keys(writers)].map((name) => `User:${name}`).join(";");
  return {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": all,
    [`${own}.ssl.keystore.type`]: "PEM",
    [`${own}.ssl.keystore.location`]: keyStore,
    [`${own}.sasl.enabled.mechanisms`]: "PLAIN,SCRAM-SHA-256",
    [`${own}.plain.sasl.jaas.config`]: `${modules}.plain.PlainLoginModule required ${passwords};`,
    [`${own}.scram-sha-256.sasl.jaas.config`]: `${modules}.scram.ScramLoginModule required;`,
  };
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
