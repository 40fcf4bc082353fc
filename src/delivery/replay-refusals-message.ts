/** What a replay had refused, as the command to its sink's owner carries it. */
import { create } from "@bufbuild/protobuf";
import {
  type ReplayRefusals as ReplayRefusalsMessage,
  ReplayRefusalsSchema,
} from "#gen/tributary/delivery/v1/cursor_pb.js";
import { placeFromMessage, placeToMessage } from "./lane-state.ts";
import type { ReplayRefusals } from "./replay-refusals.ts";

/** Letters of an explanation that a copy keeps. */
const WHY_MAX = 2_000;

/** Encodes refusals. */
export function refusalsToMessage({
  replay,
  sinkVersion,
  rows,
}: ReplayRefusals): ReplayRefusalsMessage {
  return create(ReplayRefusalsSchema, {
    replay,
    sinkVersion: BigInt(sinkVersion),
    rows: rows.map(({ place, reason, why }) => ({
      ...{ place: placeToMessage(place), reason, why: why.slice(0, WHY_MAX) },
    })),
  });
}

/** Decodes refusals. */
export function refusalsFromMessage(message: ReplayRefusalsMessage): ReplayRefusals {
  return {
    replay: message.replay,
    sinkVersion: Number(message.sinkVersion),
    rows: message.rows.map(({ place, reason, why }) => ({
      ...{ place: placeFromMessage(place), reason, why },
    })),
  };
}
