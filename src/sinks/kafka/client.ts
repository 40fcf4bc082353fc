/** Clients of a Kafka cluster, through the egress guard; the library loads when one is first made. */
import type {
  Admin,
  Base,
  BaseOptions,
  Broker,
  NetworkError as NetworkFault,
  Producer,
} from "@platformatic/kafka";
import type {
  KafkaLogin_Mechanism,
  KafkaSink,
  KafkaSink_Compression,
} from "#gen/tributary/management/v1/sink_pb.js";
import { createEgressGuard, type EgressGuard } from "../egress.ts";
import type { SinkEnvironment } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import { parseBroker } from "./broker-address.ts";

const CONNECT_MS = 5_000;
/** Longest wait for one answer; the attempt's own signal ends it earlier. */
const ANSWER_MS = 30_000;
/** Repeats within one attempt: with the same sequence numbers, so that nothing is stored twice. */
const REPEATS = 4;
const REPEAT_WAIT_MS = 250;
/** By the numbers of the enum. */
const MECHANISMS = ["PLAIN", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] as const satisfies {
  [M in KafkaLogin_Mechanism]: string;
};
const COMPRESSIONS = ["none", "none", "gzip", "zstd"] as const satisfies {
  [C in KafkaSink_Compression]: string;
};

/** A producer that is idempotent and waits for all replicas in sync. */
export async function createProducer(config: KafkaSink, env: SinkEnvironment): Promise<Producer> {
  const { NetworkError, Producer } = await import("@platformatic/kafka");
  const guard = createEgressGuard(env);
  const producer = new Producer({
    ...optionsOf(config, env, guard),
    retries: REPEATS,
    retryDelay: REPEAT_WAIT_MS,
    idempotent: true,
    acks: -1,
    compression: COMPRESSIONS[config.compression],
  });
  return guarded(producer, { config, guard, NetworkError });
}

/** A client that asks about topics and makes them. */
export async function createAdmin(config: KafkaSink, env: SinkEnvironment): Promise<Admin> {
  const { Admin, NetworkError } = await import("@platformatic/kafka");
  const guard = createEgressGuard(env);
  const admin = new Admin({ ...optionsOf(config, env, guard), retries: 0 });
  return guarded(admin, { config, guard, NetworkError });
}

/** Closes a client at once; what is on its way is given up. */
export async function closeClient(client: Admin | Producer): Promise<void> {
  for (const [, connection] of client.connections) connection.socket?.destroy();
  await client.close().catch(() => undefined);
}

function optionsOf(config: KafkaSink, env: SinkEnvironment, guard: EgressGuard): BaseOptions {
  const { login, certificateAuthority: ca } = config;
  return {
    clientId: `tributary-${env.sinkUid}`,
    bootstrapBrokers: config.brokers.map((text): Broker => {
      const broker = parseBroker(text);
      if (typeof broker === "string") throw new SinkFault("ADDRESS_REFUSED", `brokers: ${broker}`);
      return broker;
    }),
    connectTimeout: CONNECT_MS,
    requestTimeout: ANSWER_MS,
    timeout: ANSWER_MS,
    autocreateTopics: false,
    ...(config.tls && { tls: { lookup: guard.lookup, ...(ca && { ca }) } }),
    ...(login && {
      sasl: {
        mechanism: MECHANISMS[login.mechanism],
        username: login.user,
        password: login.password,
      },
    }),
  };
}

/**
 * Lets a client connect to allowed addresses only. Brokers are named by the configuration and by each
 * other. TLS checks the name that was asked for, so it looks the name up by the guard; else the
 * connection goes to the address that the guard has resolved.
 */
function guarded<C extends Pick<Base, "connections">>(
  client: C,
  { config, guard, NetworkError }: GuardOptions,
): C {
  const pool = client.connections;
  const get = pool.get.bind(pool) as (broker: Broker | undefined, callback: unknown) => void;
  const resolved = async (broker: Broker | undefined): Promise<Broker | undefined> => {
    // The client says itself what is wrong then.
    if (!broker) return broker;
    const [first] = await guard.resolve(broker.host);
    return config.tls ? broker : { ...broker, host: first!.address };
  };
  const getGuarded = (broker: Broker | undefined, callback: (error: unknown) => void): void => {
    resolved(broker).then(
      (allowed) => get(allowed, callback),
      (cause: Error) =>
        callback(new NetworkError("The address is refused.", { cause, canRetry: false })),
    );
  };
  pool.get = getGuarded as typeof pool.get;
  // A connection tells its failures more than once, and nobody need hear the second.
  pool.on("connecting", ({ connection }) => connection.on("error", () => undefined));
  return client;
}

interface GuardOptions {
  readonly config: KafkaSink;
  readonly guard: EgressGuard;
  readonly NetworkError: typeof NetworkFault;
}
