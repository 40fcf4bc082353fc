import { type KinesisSink, KinesisSink_Order } from "#gen/tributary/management/v1/sink_pb.js";
import { retryAws, toAwsFault } from "../aws/fault.ts";
import { createProgress } from "../progress.ts";
import type { OpenSink, RequestOutcome, SinkEnvironment, SinkRequest } from "../sink.ts";
import { retrySink } from "../sink-fault.ts";
import { openStream } from "./client.ts";
import { createLanes } from "./lanes.ts";
import { putAtPace } from "./put-at-pace.ts";
import { putInOrder } from "./put-in-order.ts";
import { createShards } from "./shards.ts";

/** Opens a data stream for delivery. */
export async function openKinesis(config: KinesisSink, env: SinkEnvironment): Promise<OpenSink> {
  const client = await openStream(config, env);
  const shards = createShards({ list: client.shards, logger: env.logger });
  const known = createProgress();
  const stream = { client, shards, inLane: createLanes(), last: new Map() };
  const isStrict = config.order !== KinesisSink_Order.THROUGHPUT;
  const write = async (request: SinkRequest, signal: AbortSignal): Promise<RequestOutcome> => {
    if (signal.aborted) return retrySink("TIMEOUT", "nothing was put in the time of one attempt");
    const progress = known.of(request);
    try {
      if (isStrict) await putInOrder(stream, { progress, request, signal });
      else await putAtPace({ client, shards, progress, request, signal });
    } catch (error) {
      return retryAws(toAwsFault(error, { what: "putting records" }));
    }
    known.end(request);
    return { kind: "rows", outcomes: progress.map((outcome) => outcome!) };
  };
  return { write, close: async () => client.close() };
}
