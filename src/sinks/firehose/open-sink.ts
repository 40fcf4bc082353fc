import { type FirehoseSink, FirehoseSink_Delimiter } from "#gen/tributary/management/v1/sink_pb.js";
import { retryAws, toAwsFault } from "../aws/fault.ts";
import { type PutLimits, putMany } from "../aws/put-many.ts";
import { createProgress } from "../progress.ts";
import type { OpenSink, RequestOutcome, SinkEnvironment, SinkRequest } from "../sink.ts";
import { retrySink } from "../sink-fault.ts";
import { createTurns } from "../turns.ts";
import { openDelivery, RECORD_BYTES_MAX } from "./client.ts";

const LIMITS: PutLimits = {
  service: "Firehose",
  recordBytesMax: RECORD_BYTES_MAX,
  recordsMax: 500,
  callBytesMax: 4 * 1024 * 1024,
  isKeyCounted: false,
};
const NEWLINE = Buffer.from("\n");

/** Opens a Firehose stream for delivery. */
export async function openFirehose(config: FirehoseSink, env: SinkEnvironment): Promise<OpenSink> {
  const client = await openDelivery(config, env);
  const progress = createProgress();
  const inTurn = createTurns();
  const hasNewline = config.delimiter !== FirehoseSink_Delimiter.NONE;
  const limits = hasNewline ? { ...LIMITS, delimiter: NEWLINE } : LIMITS;
  const write = async (request: SinkRequest, signal: AbortSignal): Promise<RequestOutcome> => {
    if (signal.aborted) return retrySink("TIMEOUT", "nothing was put in the time of one attempt");
    const outcomes = progress.of(request);
    try {
      await putMany(outcomes, { putAll: client.putAll, limits, request, signal });
    } catch (error) {
      return retryAws(toAwsFault(error, { what: "putting records" }));
    }
    progress.end(request);
    return { kind: "rows", outcomes: outcomes.map((outcome) => outcome!) };
  };
  return {
    // Records without key share their partition's place in the order.
    write: (request, signal) => inTurn(`${request.partition}`, () => write(request, signal)),
    close: async () => client.close(),
  };
}
