import { type SqsSink, SqsSink_Encoding } from "#gen/tributary/management/v1/sink_pb.js";
import { retryAws, toAwsFault } from "../aws/fault.ts";
import { orderingName } from "../ordering-name.ts";
import { createProgress } from "../progress.ts";
import type { OpenSink, RequestOutcome, SinkEnvironment, SinkRequest } from "../sink.ts";
import { retrySink } from "../sink-fault.ts";
import { createTurns } from "../turns.ts";
import { MESSAGE_BYTES_UNKNOWN, openQueue } from "./client.ts";
import type { Packing } from "./messages.ts";
import { isFifo } from "./queue.ts";
import { sendRows } from "./send-rows.ts";

/** Opens a queue for delivery; its limit is read before the first message is made. */
export async function openSqs(config: SqsSink, env: SinkEnvironment): Promise<OpenSink> {
  const client = await openQueue(config, env);
  const progress = createProgress();
  const inTurn = createTurns();
  const isBase64 = config.encoding !== SqsSink_Encoding.JSON;
  const hasGroups = isFifo(config);
  let limit: number | undefined;
  const readLimit = async (signal: AbortSignal): Promise<number> => {
    try {
      limit ??= (await client.facts(signal)).messageBytesMax;
    } catch (error) {
      // Sending needs no right to read the attributes.
      if (toAwsFault(error, { what: "" }).reason !== "ACCESS_DENIED") throw error;
      limit = MESSAGE_BYTES_UNKNOWN;
    }
    return limit;
  };
  const write = async (request: SinkRequest, signal: AbortSignal): Promise<RequestOutcome> => {
    if (signal.aborted) return retrySink("TIMEOUT", "nothing was sent in the time of one attempt");
    const outcomes = progress.of(request);
    try {
      const packing: Packing = {
        limit: await readLimit(signal),
        isBase64,
        groupOf: hasGroups ? (row) => orderingName(row, request.partition) : undefined,
      };
      const { rows } = request;
      const fault = await sendRows(outcomes, { client, rows, packing, signal });
      if (fault) return retryAws(fault);
    } catch (error) {
      const fault = toAwsFault(error, { what: "sending to the queue" });
      // The limit may have changed since it was read.
      if (fault.reason === "AWS_ERROR") limit = undefined;
      return retryAws(fault);
    }
    progress.end(request);
    return { kind: "rows", outcomes: outcomes.map((outcome) => outcome!) };
  };
  return {
    // Of one group no two batches may be in flight, and records without key share their partition's.
    write: hasGroups
      ? (request, signal) => inTurn(`${request.partition}`, () => write(request, signal))
      : write,
    close: async () => client.close(),
  };
}
