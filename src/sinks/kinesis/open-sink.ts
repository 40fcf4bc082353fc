import { type KinesisSink, KinesisSink_Order } from "#gen/tributary/management/v1/sink_pb.js";
import { retryAws, toAwsFault } from "../aws/fault.ts";
import { putMany } from "../aws/put-many.ts";
import { createProgress } from "../progress.ts";
import type { OpenSink, RequestOutcome, SinkEnvironment, SinkRequest } from "../sink.ts";
import { retrySink } from "../sink-fault.ts";
import { createTurns } from "../turns.ts";
import { openStream } from "./client.ts";
import { KINESIS_LIMITS, type LastNumbers, putInOrder } from "./put-in-order.ts";

/** Opens a data stream for delivery. */
export async function openKinesis(config: KinesisSink, env: SinkEnvironment): Promise<OpenSink> {
  const client = await openStream(config, env);
  const progress = createProgress();
  const inTurn = createTurns();
  const lastNumbers: LastNumbers = new Map();
  const isStrict = config.order !== KinesisSink_Order.THROUGHPUT;
  const write = async (request: SinkRequest, signal: AbortSignal): Promise<RequestOutcome> => {
    if (signal.aborted) return retrySink("TIMEOUT", "nothing was put in the time of one attempt");
    const outcomes = progress.of(request);
    try {
      if (isStrict) await putInOrder(outcomes, lastNumbers, { client, request, signal });
      else
        await putMany(outcomes, { putAll: client.putAll, limits: KINESIS_LIMITS, request, signal });
    } catch (error) {
      return retryAws(toAwsFault(error, { what: "putting records" }));
    }
    progress.end(request);
    return { kind: "rows", outcomes: outcomes.map((outcome) => outcome!) };
  };
  return {
    // In strict order one record of a partition is in flight.
    write: isStrict
      ? (request, signal) => inTurn(`${request.partition}`, () => write(request, signal))
      : write,
    close: async () => client.close(),
  };
}
