/** The loss clocks of sinks, from what is stored of their logs. */
import type { Definitions, SinkDefinition } from "../core/definitions.ts";
import type { LogInfo, LogReader } from "../core/log.ts";
import { type LossFacts, lossClock } from "./loss-clock.ts";
import type { SinkState } from "./sink-state.ts";
import { sinkCounts } from "./sink-status.ts";
import { isStopped, lowestNeeded } from "./stored-work.ts";

/** The clock of a sink; undefined when nothing of it is in danger, or that is not known now. */
export type LossClocks = (
  sink: SinkDefinition,
  state: SinkState,
  nowMs: number,
) => Promise<ReturnType<typeof lossClock>>;

/** Makes the clocks of one round of questions: each log is looked at once. */
export function createLossClocks({
  definitions,
  reader,
}: {
  readonly definitions: Pick<Definitions, "streamByLog">;
  readonly reader: Pick<LogReader, "info">;
}): LossClocks {
  const infos = new Map<string, Promise<LogInfo | undefined>>();
  const infoOf = ({ log }: SinkDefinition) => {
    const known = infos.get(log.uid) ?? reader.info(log).catch(() => undefined);
    infos.set(log.uid, known);
    return known;
  };
  return async (sink, state, nowMs) => {
    if (!isStopped(sink, state.note?.state) || state.oldestArrivalUs === 0) return undefined;
    const { pending } = sinkCounts(state);
    const stream = definitions.streamByLog(sink.log.uid);
    const info = pending > 0 && stream ? await infoOf(sink) : undefined;
    if (!info || !stream) return undefined;
    const facts: LossFacts = {
      retentionAgeMs: stream.retentionAgeMs,
      retentionBytes: stream.retentionBytes,
      archiveAgeMs: stream.archive?.isTaking ? stream.archive.retentionMs : undefined,
      oldestMs: state.oldestArrivalUs / 1_000,
      neededFrom: lowestNeeded(state),
      ...{ pending, info, nowMs },
    };
    return lossClock(facts);
  };
}
