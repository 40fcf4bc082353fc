/**
 * Cursors name the shard that they mean by the time it was made, so that nobody takes another log for
 * it. nats-server gives a restored stream a new time: the cursors of the same backup follow, and note
 * where the log ended, for targets that have gone on since the backup.
 */
import { createBus } from "../../bus/index.ts";
import { decodeSinkState, encodeSinkState } from "../../delivery/sink-state.ts";
import { renameStagings } from "../../delivery/staging-identity.ts";
import type { StartOptions } from "../foundations.ts";
import type { Manifest } from "./manifest.ts";
import type { NatsAddress } from "./servers.ts";

const WRITES_AT_ONCE = 200;

/** More owners than a sink may have had between the backup and the end of its servers. */
const EPOCHS_AHEAD = 1_000_000;

/** A shard after its restore. */
export interface RestoredShard {
  readonly identity: string;
  readonly lastSequence: number;
}

/** Writes the new identities into all cursors. */
export async function renameIdentities(
  nats: NatsAddress,
  {
    identities,
    manifest,
    options,
  }: {
    /** What became of each old identity. */
    readonly identities: ReadonlyMap<string, RestoredShard>;
    readonly manifest: Manifest;
    readonly options: StartOptions;
  },
): Promise<void> {
  const shards = manifest.streams.filter(({ name }) => /_SHARD_\d+$/.test(name)).length;
  const { config, logger } = options;
  const replicas = config.TRIBUTARY_NATS_REPLICAS;
  const bus = await createBus({ ...nats, shards, replicas, logger });
  try {
    await renameStagings(await bus.openKeyedLog("staging"));
    const cursors = await bus.openKeyedStore("cursors");
    const entries = await cursors.list("cursor");
    for (let at = 0; at < entries.length; at += WRITES_AT_ONCE) {
      const writes = entries.slice(at, at + WRITES_AT_ONCE).flatMap(({ key, value, sequence }) => {
        const state = decodeSinkState(value);
        const shard = identities.get(state.logIdentity);
        if (!shard) return [];
        const epoch = state.epoch + EPOCHS_AHEAD;
        const renamed = encodeSinkState({
          ...state,
          logIdentity: shard.identity,
          epoch,
          restored: { sequence: shard.lastSequence, epoch },
        });
        return [{ key, value: renamed, expectedSequence: sequence }];
      });
      if (writes.length > 0) await cursors.writeMany(writes);
    }
  } finally {
    await bus.close();
  }
}
