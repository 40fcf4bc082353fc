/** The statuses of sinks, from all that is known of them. */
import { create } from "@bufbuild/protobuf";
import type { LogLoss } from "#gen/tributary/management/v1/log_loss_pb.js";
import { SinkStatusSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import type { LossClocks } from "./loss-clocks.ts";
import type { SinkState } from "./sink-state.ts";
import { type SinkStatusInit, sinkStatus } from "./sink-status.ts";
import { stagingFacts, withStaging } from "./staging-status.ts";
import type { WorkerOptions } from "./worker-options.ts";

const READS_AT_ONCE = 16;

/** What statuses are made from. */
export interface StatusParts extends Pick<WorkerOptions, "staging" | "drivers" | "now"> {
  readonly stateOf: (sink: SinkDefinition) => Promise<SinkState | undefined>;
  readonly lossOf: LossClocks;
  /** What logs have lost; undefined where nobody knows. */
  readonly logLossesOf: ((logUid: string) => readonly LogLoss[]) | undefined;
}

/** The statuses by the uid of the sink. Fails with LOG_UNAVAILABLE. */
export async function readStatuses(
  sinks: Iterable<SinkDefinition>,
  { stateOf, lossOf, logLossesOf, now, staging: area, drivers }: StatusParts,
): Promise<Map<string, SinkStatusInit>> {
  const statuses = new Map<string, SinkStatusInit>();
  const list = [...sinks];
  let at = 0;
  const next = async () => {
    for (let sink = list[at++]; sink; sink = list[at++]) {
      const state = await stateOf(sink);
      const loss = state && (await lossOf(sink, state, now()));
      const status = create(SinkStatusSchema, sinkStatus(sink, state, now()));
      if (loss) status.loss = loss;
      status.logLosses = [...(logLossesOf?.(sink.log.uid) ?? [])];
      const facts = await stagingFacts(sink, { area, drivers, nowMs: now() });
      statuses.set(sink.uid, facts ? withStaging(status, facts) : status);
    }
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, next));
  return statuses;
}
