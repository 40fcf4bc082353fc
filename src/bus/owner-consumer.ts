import { type ConsumerConfig, JetStreamApiError, type JetStreamManager } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import type { SubjectNames } from "./subjects.ts";

/** Name of the durable consumer of each shard, and of its one priority group. */
export const CONSUMER = "owner";
export const GROUP = "owner";

/** JetStream's code for a consumer of that name with another configuration. */
const CONSUMER_EXISTS = 10148;
/** A pinned client that does not pull for this long is not the owner any more. */
const PIN_TIMEOUT_MS = 5_000;

/**
 * Makes the consumer that elects a shard's owner and feeds it, where it is not there. Its state is in memory
 * (in a cluster of all copies), for nothing depends on it: an owner starts from the newest sequence of the
 * shard and from cursors. In a file it would be written, renamed and synced ten times a second for each
 * shard that is pushed to, which at small rates was more than all pushes: 80 of 140 writes a second.
 * So a lone server that begins anew has none, and whoever pulls asks for it again.
 */
export async function ensureOwnerConsumer(
  stream: string,
  shard: number,
  { jsm, names }: { readonly jsm: JetStreamManager; readonly names: SubjectNames },
): Promise<void> {
  const config: Partial<ConsumerConfig> = {
    durable_name: CONSUMER,
    mem_storage: true,
    ack_policy: "all",
    deliver_policy: "new",
    filter_subjects: [names.recordsOfShard(shard), names.claim(shard)],
    ack_wait: nanos(30_000),
    max_ack_pending: 20_000,
    priority_groups: [GROUP],
    priority_policy: "pinned_client",
    priority_timeout: nanos(PIN_TIMEOUT_MS),
  };
  await jsm.consumers.add(stream, config).catch(async (error: unknown) => {
    if (!(error instanceof JetStreamApiError) || error.code !== CONSUMER_EXISTS) throw error;
    // The one of an earlier version is in a file, and its place does not change by an update.
    const { config: found } = await jsm.consumers.info(stream, CONSUMER);
    if (found.mem_storage) await jsm.consumers.update(stream, CONSUMER, config);
    else {
      await jsm.consumers.delete(stream, CONSUMER);
      await jsm.consumers.add(stream, config);
    }
  });
}
