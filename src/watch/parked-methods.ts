/** The rpc of DeliveryService about keys that wait. */
import type { ListParkedKeysRequest } from "#gen/tributary/management/v1/delivery_service_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import { fail } from "../core/errors.ts";
import type { Place } from "./stored-records.ts";
import { findSink, type WatchParts } from "./watch-parts.ts";

/** A key that waits, as delivery knows it. */
export interface WaitingKey {
  readonly partition: number;
  readonly keyHash: number;
  readonly first: Place;
  readonly isResuming: boolean;
  readonly held: readonly Place[];
}

/** What delivery tells: all keys that wait, in any order. */
export type ParkedKeysOf = (sink: SinkDefinition) => Promise<readonly WaitingKey[]>;

const SIZE_DEFAULT = 50;
const SIZE_MAX = 1_000;
const HELD_MAX = 100;

/** A page of keys, by partition and hash. Fails with RESOURCE_NOT_FOUND and PAGE_TOKEN_INVALID. */
export async function listParkedKeys(
  parts: Pick<WatchParts, "definitions"> & { readonly parkedKeys: ParkedKeysOf },
  { parent, pageSize, pageToken }: ListParkedKeysRequest,
) {
  const sink = findSink(parts, parent);
  const after = pageToken === "" ? undefined : openToken(sink.uid, pageToken);
  const all = [...(await parts.parkedKeys(sink))].sort(compare);
  const from = after ? all.filter((key) => compare(key, after) > 0) : all;
  const size = pageSize > 0 ? Math.min(pageSize, SIZE_MAX) : SIZE_DEFAULT;
  const page = from.slice(0, size);
  return {
    parkedKeys: page.map(({ partition, keyHash, first, isResuming, held }) => ({
      partition,
      keyHash,
      firstPlace: textOf(first),
      resuming: isResuming,
      heldPlaces: held.slice(0, HELD_MAX).map(textOf),
    })),
    nextPageToken: from.length > size ? sealToken(sink.uid, page.at(-1)!) : "",
    totalCount: all.length,
  };
}

type Mark = Pick<WaitingKey, "partition" | "keyHash">;

function compare(a: Mark, b: Mark): number {
  return a.partition - b.partition || a.keyHash - b.keyHash;
}

function textOf({ sequence, index }: Place): string {
  return `${sequence}-${index}`;
}

function sealToken(sinkUid: string, { partition, keyHash }: Mark): string {
  return Buffer.from(`${sinkUid}.${partition}.${keyHash}`).toString("base64url");
}

function openToken(sinkUid: string, token: string): Mark {
  const [uid, partition, keyHash] = Buffer.from(token, "base64url").toString().split(".");
  const mark = { partition: Number(partition), keyHash: Number(keyHash) };
  const isWhole = Number.isSafeInteger(mark.partition) && Number.isSafeInteger(mark.keyHash);
  if (uid === sinkUid && isWhole) return mark;
  throw fail("PAGE_TOKEN_INVALID", "page_token is not from the previous answer to this request");
}
