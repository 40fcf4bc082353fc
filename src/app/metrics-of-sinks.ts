/** Sinks that this process delivers for, summed: names of projects and sinks would grow without a bound. */
import { Sink_State, type SinkStatus } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import type { MetricFamily } from "../core/metric-text.ts";
import type { PortParts } from "./port.ts";

/** Statuses are looked at again when they are older. */
const FRESH_MS = 5_000;
const STATES = [Sink_State.RUNNING, Sink_State.PAUSED, Sink_State.ERROR, Sink_State.PENDING];

interface SinkSums {
  readonly states: ReadonlyMap<Sink_State, number>;
  readonly pending: number;
  readonly held: number;
  readonly lagSeconds: number;
}

/** Gives the measurements of sinks. While statuses cannot be read, those of before. */
export function createSinkMetrics({
  foundations: { snapshot, attemptCounts },
  delivery,
}: Pick<PortParts, "foundations" | "delivery">): () => Promise<MetricFamily[]> {
  let sums: SinkSums = sum([]);
  let atMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;
  const isOurs = (sink: SinkDefinition) => delivery.isOwner(sink.log.shard);
  const read = async () => {
    const statuses = await delivery.statuses([...snapshot.sinks()].filter(isOurs));
    sums = sum([...statuses.values()] as SinkStatus[]);
    atMs = performance.now();
  };
  return async () => {
    if (performance.now() - atMs > FRESH_MS) {
      reading ??= read().finally(() => {
        reading = undefined;
      });
      await reading.catch(() => undefined);
    }
    return [...sumMetrics(sums), ...attemptMetrics(attemptCounts)];
  };
}

function sum(statuses: readonly SinkStatus[]): SinkSums {
  const states = new Map<Sink_State, number>();
  let pending = 0;
  let held = 0;
  let lagSeconds = 0;
  for (const { state, counts, lag } of statuses) {
    states.set(state, (states.get(state) ?? 0) + 1);
    pending += Number(counts?.pending ?? 0n);
    held += Number(counts?.held ?? 0n);
    lagSeconds = Math.max(lagSeconds, Number(lag?.seconds ?? 0n) + (lag?.nanos ?? 0) / 1e9);
  }
  return { states, pending, held, lagSeconds };
}

function sumMetrics({ states, pending, held, lagSeconds }: SinkSums): MetricFamily[] {
  const gauge = (name: string, help: string, value: number): MetricFamily => {
    return { name, help, type: "gauge", samples: [{ value }] };
  };
  return [
    {
      name: "tributary_sinks",
      help: "Sinks that this process delivers for, by state.",
      type: "gauge",
      samples: STATES.map((state) => ({
        labels: { state: Sink_State[state].toLowerCase() },
        value: states.get(state) ?? 0,
      })),
    },
    gauge("tributary_sink_pending_records", "Records that wait for these sinks.", pending),
    gauge("tributary_sink_held_records", "Records that these sinks hold.", held),
    gauge(
      "tributary_sink_lag_max_seconds",
      "Age of the oldest record that waits for one of these sinks.",
      lagSeconds,
    ),
  ];
}

function attemptMetrics({
  byKind,
  durations,
}: PortParts["foundations"]["attemptCounts"]): MetricFamily[] {
  const counts = [...byKind.values()];
  const labelled = (of: (count: (typeof counts)[number]) => number) =>
    counts.map((count) => ({ labels: { kind: count.kind, state: count.state }, value: of(count) }));
  return [
    {
      name: "tributary_delivery_attempts_total",
      help: "Attempts to deliver, by kind of sink and what came of them.",
      type: "counter",
      samples: labelled(({ attempts }) => attempts),
    },
    {
      name: "tributary_delivery_records_total",
      help: "Records of attempts; what is sent again counts again.",
      type: "counter",
      samples: labelled(({ records }) => records),
    },
    {
      name: "tributary_delivery_duration_seconds",
      help: "How long attempts took.",
      type: "histogram",
      samples: durations.samples(),
    },
  ];
}
