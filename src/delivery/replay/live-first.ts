/** Live traffic first: a replay waits while its sink is behind, fails, or is paused. */
import { setTimeout as delay } from "node:timers/promises";
import { Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkDefinition } from "../../core/definitions.ts";
import type { SinkStatusInit } from "../sink-status.ts";

/** Statuses are at most 200 ms old, so looking more often tells nothing. */
const LOOK_EVERY_MS = 200;
/** Live records may be under way for so long before a replay gives way. */
const LAG_MAX_MS = 500;

/** What waiting needs. */
export interface LiveInput {
  readonly sink: () => SinkDefinition | undefined;
  readonly statuses: (sinks: Iterable<SinkDefinition>) => Promise<Map<string, SinkStatusInit>>;
  readonly signal: AbortSignal;
  /** Told why it waits, once each time, and with an empty text when it goes on. */
  readonly onWaiting: (why: string) => Promise<void>;
}

/** Makes the gate: each call resolves when the replay may send its next request. */
export function createLiveGate(input: LiveInput): () => Promise<void> {
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let waiting = "";
  return async () => {
    for (;;) {
      input.signal.throwIfAborted();
      if (waiting === "" && performance.now() - lookedAtMs < LOOK_EVERY_MS) return;
      const why = await reasonToWait(input);
      lookedAtMs = performance.now();
      if (why !== waiting) {
        waiting = why;
        await input.onWaiting(why);
      }
      if (why === "") return;
      await delay(LOOK_EVERY_MS, undefined, { signal: input.signal });
    }
  };
}

async function reasonToWait({ sink, statuses }: LiveInput): Promise<string> {
  const definition = sink();
  if (!definition) return "";
  const status = (await statuses([definition])).get(definition.uid);
  if (status?.state === Sink_State.PAUSED) return "the sink is paused";
  if (status?.state === Sink_State.ERROR) return `the sink is in ERROR: ${status.cause ?? ""}`;
  const { lag } = status ?? {};
  const lagMs = lag ? Number(lag.seconds ?? 0n) * 1000 + (lag.nanos ?? 0) / 1e6 : 0;
  return lagMs > LAG_MAX_MS ? "live records go first" : "";
}
