/** Held records of delivery in the form that SinkService answers with. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { HeldRecordSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { HeldRecords } from "../catalog/sink-catalog.ts";
import { fail } from "../core/errors.ts";
import { recordId } from "../core/record-id.ts";
import type { Delivery } from "../delivery/delivery.ts";
import type { Place } from "../sinks/sink.ts";

type HeldEntry = Awaited<ReturnType<Delivery["held"]["list"]>>["entries"][number];

/** Adds page tokens, ids and times. */
export function createHeldView(held: Delivery["held"]): HeldRecords {
  return {
    replay: held.replay,
    discard: held.discard,
    async read(sink, places) {
      const entries = await held.read(sink, places);
      return entries.map((entry) => {
        const record = describeEntry(sink.log.uid, entry);
        const { json, arrivalTimeUs, address, headers } = entry.copy;
        const call = { address, headers };
        const { recordId } = record;
        return { record, mapped: { recordId, json, arrivalTimeUs: Number(arrivalTimeUs), call } };
      });
    },
    async list(sink, { pageSize, pageToken, reason }) {
      const before = pageToken === "" ? undefined : openToken(sink.uid, pageToken);
      const { entries, next } = await held.list(sink, { size: pageSize, before, reason });
      return {
        heldRecords: entries.map((entry) => describeEntry(sink.log.uid, entry)),
        nextPageToken: next ? sealToken(sink.uid, next) : "",
      };
    },
  };
}

function describeEntry(logUid: string, { place, copy }: HeldEntry) {
  const arrivalTimeMs = Math.floor(Number(copy.arrivalTimeUs) / 1000);
  return create(HeldRecordSchema, {
    recordId: recordId(logUid, place, arrivalTimeMs),
    place: `${place.sequence}-${place.index}`,
    error: copy.error,
    reason: copy.reason,
    holdTime: timestampFromMs(Number(copy.holdTimeMs)),
    arrivalTime: timestampFromMs(arrivalTimeMs),
    sinkVersion: BigInt(copy.sinkVersion),
    json: copy.json,
    storedReplay: copy.replay,
    ...(copy.replays > 0 && {
      replay: {
        count: copy.replays,
        requestId: copy.replayRequestId,
        firstHoldTime: timestampFromMs(Number(copy.firstHoldTimeMs)),
        firstReason: copy.firstReason,
      },
    }),
  });
}

function sealToken(sinkUid: string, { sequence, index }: Place): string {
  return Buffer.from(`${sinkUid}.${sequence}.${index}`).toString("base64url");
}

function openToken(sinkUid: string, token: string): Place {
  const [uid, sequence, index] = Buffer.from(token, "base64url").toString().split(".");
  const place = { sequence: Number(sequence), index: Number(index) };
  if (
    uid === sinkUid &&
    Number.isSafeInteger(place.sequence) &&
    Number.isSafeInteger(place.index)
  ) {
    return place;
  }
  throw fail("PAGE_TOKEN_INVALID", "page_token is not from the previous answer to this request");
}
