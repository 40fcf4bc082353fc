/** Where a new sink begins: a sequence, fixed inside the call that makes it. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Start, Start_Position } from "#gen/tributary/management/v1/sink_pb.js";
import { failFields } from "../core/errors.ts";
import type { LogInfo, LogReader } from "../core/log.ts";

/** The first sequence that the sink delivers, and what the caller should know about it. */
export interface SinkStart {
  readonly sequence: number;
  /** Which stored records the sink will not see; empty when it sees all. */
  readonly note: string;
}

/** Fails with INVALID_FIELDS for a sequence beyond the log's end, and with LOG_UNAVAILABLE. */
export async function resolveStart(
  logs: Pick<LogReader, "info" | "sequenceAt">,
  log: { readonly uid: string; readonly shard: number },
  start: Start | undefined,
): Promise<SinkStart> {
  const info = await logs.info(log);
  const next = info.shardLastSequence + 1;
  const at = start?.at;
  switch (at?.case) {
    case "sequence": {
      if (at.value > BigInt(next)) {
        const description = `lies beyond the log: the next record gets ${next} or more`;
        throw failFields([{ field: "sink.start.sequence", description }]);
      }
      return describe(info, Number(at.value));
    }
    case "time":
      return describe(info, await logs.sequenceAt(log, timestampMs(at.value)));
    default:
      if (at?.value === Start_Position.EARLIEST) return describe(info, info.firstSequence);
      return describe(info, next);
  }
}

function describe({ firstSequence, messages }: LogInfo, wanted: number): SinkStart {
  // What is gone already cannot be delivered.
  const sequence = Math.max(wanted, firstSequence);
  if (messages === 0 || sequence <= firstSequence) return { sequence, note: "" };
  const note =
    `Delivery begins at sequence ${sequence}: records stored already at sequences ` +
    `${firstSequence} to ${sequence - 1} will not be delivered to this sink. ` +
    "Make it with start.position EARLIEST to have them delivered too.";
  return { sequence, note };
}
