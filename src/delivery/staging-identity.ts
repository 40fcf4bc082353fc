/**
 * The name of a sink's staging, which the target keeps beside how far it was imported. A staging that
 * was restored from a backup takes another name, for its next sequences are other rows than those that the
 * target may have taken since; up to where it was restored it still is the old one.
 */
import { clone, create } from "@bufbuild/protobuf";
import { StagingNameSchema, StagingStateSchema } from "#gen/tributary/delivery/v1/staging_pb.js";
import { type KeyedLog, StaleKeysError } from "../bus/index.ts";
import { makeUid } from "../core/uid.ts";
import { createStagingStore, type StagingStore } from "./staging-store.ts";

/** Restores that are remembered. */
const NAMES_MAX = 16;

/** Names the staging of a sink that has none yet. Fails with LOG_UNAVAILABLE. */
export async function nameStaging(store: StagingStore, sinkUid: string): Promise<void> {
  const { value: state, sequence } = await store.state(sinkUid);
  if (state.identity !== "") return;
  const value = clone(StagingStateSchema, state);
  value.identity = makeUid();
  await store.writeState(sinkUid, { value, sequence }).catch((error: unknown) => {
    // Another owner was faster.
    if (!(error instanceof StaleKeysError)) throw error;
  });
}

/** Renames all stagings of a restored store, before anybody else uses it. Fails with LOG_UNAVAILABLE. */
export async function renameStagings(log: KeyedLog): Promise<void> {
  const store = createStagingStore(log);
  const last = new Map<string, number>();
  for (const { key, sequence } of await log.list("cursor")) {
    const uid = key.split(".")[1]!;
    last.set(uid, Math.max(last.get(uid) ?? 0, sequence));
  }
  // A cursor is the last of the batch that its rows were stored in.
  for (const [uid, lastSequence] of last) {
    const { value: state, sequence } = await store.state(uid);
    const value = clone(StagingStateSchema, state);
    const former = create(StagingNameSchema, {
      identity: state.identity,
      lastSequence: BigInt(lastSequence),
    });
    if (state.identity !== "") value.former = [former, ...value.former].slice(0, NAMES_MAX);
    value.identity = makeUid();
    await store.writeState(uid, { value, sequence });
  }
}
