import type { Admin } from "@platformatic/kafka";
import type { KafkaSink } from "#gen/tributary/management/v1/sink_pb.js";
import { KafkaLogin_Mechanism } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkEnvironment, TestStageResult } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import { runStages } from "../stages.ts";
import { closeClient, createAdmin } from "./client.ts";
import { toKafkaFault } from "./fault.ts";

/** Bit of the right to write, in the rights that brokers tell (AclOperation 4). */
const WRITE = 1 << 4;
/** Brokers that tell no rights send the least integer. */
const UNKNOWN_RIGHTS = -(2 ** 31);
/** How long a topic that was just made may take to be seen. */
const SEEN_TRIES = 20;
const SEEN_WAIT_MS = 250;

interface Topic {
  readonly partitions: number;
  readonly rights: number;
}

/** Tries a topic: brokers, login, what they say of it, and the right to write. Stores nothing. */
export async function testKafka(
  config: KafkaSink,
  env: SinkEnvironment,
  { prepare, signal }: { readonly prepare: boolean; readonly signal: AbortSignal },
): Promise<readonly TestStageResult[]> {
  let admin: Admin | undefined;
  let topic: Topic | undefined;
  const giveUp = () => admin && void closeClient(admin);
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    return await runStages({
      connect: async () => {
        admin = await createAdmin(config, env);
        await calling("connecting", () => admin!.listApis());
        const isOpen =
          config.login && !config.tls && config.login.mechanism <= KafkaLogin_Mechanism.PLAIN;
        if (isOpen) return "the brokers let us in; without tls they are told the password in clear";
        return config.tls
          ? "the brokers let us in"
          : "the brokers let us in; without tls nothing is encrypted";
      },
      describe: async () => {
        topic = (await find(admin!, config)) ?? (await make(admin!, config, prepare));
        if (!topic) return "the topic will be made";
        return `the topic has ${topic.partitions} partition${topic.partitions === 1 ? "" : "s"}`;
      },
      write: async () => {
        if (!topic) return "nothing to try before there is the topic";
        if (topic.rights === UNKNOWN_RIGHTS)
          return "the brokers do not tell rights; nothing was written";
        if (topic.rights & WRITE) return "the topic may be written; nothing was";
        throw new SinkFault("ACCESS_DENIED", "this login may not write to the topic", {
          remedy: aclOf(config),
        });
      },
    });
  } finally {
    signal.removeEventListener("abort", giveUp);
    if (admin) await closeClient(admin);
  }
}

/** The topic, or undefined when there is none. */
async function find(admin: Admin, { topic: name }: KafkaSink): Promise<Topic | undefined> {
  const { metadataV9 } = await import("@platformatic/kafka");
  try {
    const { topics } = await calling("describing the topic", async () => {
      const connections = await admin.connectToBrokers();
      const [connection] = connections.values();
      if (!connection) throw new SinkFault("CONNECTION_FAILED", "the cluster names no broker");
      return await metadataV9.api.async(connection, [name], false, true);
    });
    const [topic] = topics;
    return (
      topic && { partitions: topic.partitions.length, rights: topic.topicAuthorizedOperations }
    );
  } catch (error) {
    if (error instanceof SinkFault && error.reason === "DESTINATION_MISSING") return undefined;
    throw error;
  }
}

async function make(admin: Admin, config: KafkaSink, prepare: boolean): Promise<Topic | undefined> {
  const { topic, createTopic } = config;
  if (!createTopic) {
    throw new SinkFault(
      "DESTINATION_MISSING",
      "there is no such topic, or this login may not see it: make it, or set create_topic",
      {
        remedy: `kafka-topics.sh --bootstrap-server ${config.brokers[0]} --create --topic ${topic}`,
      },
    );
  }
  if (!prepare) return undefined;
  const { partitions, replicas } = createTopic;
  await calling("making the topic", () =>
    // -1 is the cluster's own default (KIP-464).
    admin.createTopics({ topics: [topic], partitions: partitions || -1, replicas: replicas || -1 }),
  );
  for (let tries = 0; tries < SEEN_TRIES; tries++) {
    const found = await find(admin, config);
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, SEEN_WAIT_MS));
  }
  throw new SinkFault("DESTINATION_MISSING", "the topic was made, and is not seen yet: try again");
}

async function calling<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toKafkaFault(error, what);
  }
}

function aclOf({ login, topic, brokers }: KafkaSink): string {
  const principal = `User:${login?.user ?? "ANONYMOUS"}`;
  return `kafka-acls.sh --bootstrap-server ${brokers[0]} --add --allow-principal ${principal} --operation Write --operation Describe --topic ${topic}`;
}
