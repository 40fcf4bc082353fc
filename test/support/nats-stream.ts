/** A stream of a NATS server, as a consumer of its messages sees it. */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

/** A message that a stream keeps. */
export interface KeptMessage {
  readonly subject: string;
  readonly data: string;
  readonly id: string;
}

/** An open stream. */
export interface NatsStream {
  /** All messages, in order. */
  messages(): Promise<KeptMessage[]>;
  purge(): Promise<void>;
  close(): Promise<void>;
}

/** Makes a stream on a server, or opens it. */
export async function openNatsStream(
  options: Parameters<typeof connect>[0],
  config: { readonly name: string; readonly subjects: string[]; readonly max_msg_size?: number },
): Promise<NatsStream> {
  const connection = await connect(options);
  const manager = await jetstreamManager(connection);
  await manager.streams.add(config);
  return {
    async messages() {
      const { state } = await manager.streams.info(config.name);
      if (state.messages === 0) return [];
      const consumer = await jetstream(connection).consumers.get(config.name);
      const found: KeptMessage[] = [];
      const batch = await consumer.consume();
      for await (const { subject, seq, headers, data } of batch) {
        const id = headers?.get("Nats-Msg-Id") ?? "";
        found.push({ subject, data: Buffer.from(data).toString(), id });
        if (seq === state.last_seq) break;
      }
      return found;
    },
    purge: async () => {
      await manager.streams.purge(config.name);
    },
    close: () => connection.close(),
  };
}
