/** /metrics: what this process counts, on a port of its own, where one is set. */
import type { LaneCounts } from "../bus/index.ts";
import { formatMetrics, type MetricFamily } from "../core/metric-text.ts";
import { openMetricsPort } from "../server/metrics-port.ts";
import type { Closers } from "./closers.ts";
import { watchProcess } from "./metrics-of-process.ts";
import { createSinkMetrics } from "./metrics-of-sinks.ts";
import type { PortParts } from "./port.ts";
import { packageVersion } from "./version.ts";
import type { WayIn } from "./way-in.ts";

/** Opens the port of metrics; none where TRIBUTARY_METRICS_PORT is not set. */
export async function openMetrics(
  parts: Pick<PortParts, "foundations" | "delivery" | "worker">,
  wayIn: WayIn,
  closers: Closers,
): Promise<void> {
  const { config, logger } = parts.foundations;
  const { TRIBUTARY_METRICS_PORT: first, TRIBUTARY_METRICS_HOST: host } = config;
  if (first === undefined) return;
  const ofProcess = watchProcess();
  closers.add("measure of the event loop", ofProcess.close);
  const ofSinks = createSinkMetrics(parts);
  const port = await openMetricsPort({
    host,
    // Each process tells of itself alone.
    port: first === 0 ? 0 : first + parts.worker,
    token: config.TRIBUTARY_METRICS_TOKEN,
    collect: async () =>
      formatMetrics([
        gauge("tributary_build_info", "The version that runs.", 1, { version: packageVersion() }),
        ...pushMetrics(wayIn),
        ...logMetrics(parts),
        ...tailMetrics(wayIn),
        ...(await ofSinks()),
        ...ofProcess.collect(),
      ]),
  });
  closers.add("port of metrics", port.close);
  logger.info("metrics are served", { host, port: port.port });
}

function gauge(
  name: string,
  help: string,
  value: number,
  labels?: Readonly<Record<string, string>>,
): MetricFamily {
  return { name, help, type: "gauge", samples: [{ value, ...(labels && { labels }) }] };
}

function counter(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: "counter", samples: [{ value }] };
}

function pushMetrics({ counts, admission }: WayIn): MetricFamily[] {
  return [
    {
      name: "tributary_push_calls_total",
      help: "Calls that push, by result: stored, duplicate (stored before under the same key) or refused.",
      type: "counter",
      samples: [
        { labels: { result: "stored" }, value: counts.stored },
        { labels: { result: "duplicate" }, value: counts.duplicate },
        {
          labels: { result: "refused" },
          value: [...counts.refused.values()].reduce((sum, each) => sum + each, 0),
        },
      ],
    },
    {
      name: "tributary_push_refused_total",
      help: "Refused calls that push, by the reason of the error.",
      type: "counter",
      samples: [...counts.refused].map(([reason, value]) => ({ labels: { reason }, value })),
    },
    counter("tributary_push_records_total", "Records of calls that were stored.", counts.records),
    counter("tributary_push_bytes_total", "Bytes of bodies that were stored.", counts.bytes),
    gauge(
      "tributary_push_body_bytes",
      "Bytes of bodies that are held in memory now.",
      admission.heldBytes(),
    ),
  ];
}

function logMetrics({
  foundations: { bus, snapshot },
}: Pick<PortParts, "foundations">): MetricFamily[] {
  const lanes: [string, LaneCounts][] = Object.entries(bus.counts);
  const byLane = (name: string, help: string, of: (lane: LaneCounts) => number) => ({
    name,
    help,
    type: "counter" as const,
    samples: lanes.map(([lane, counts]) => ({ labels: { lane }, value: of(counts) })),
  });
  return [
    {
      name: "tributary_log_publish_duration_seconds",
      help: "Time from the first byte of a publish to its answer, after the sync to disk. Lane large: calls above 1 MiB.",
      type: "histogram" as const,
      samples: lanes.flatMap(([lane, counts]) => counts.durations.samples({ lane })),
    },
    byLane(
      "tributary_log_publish_calls_total",
      "Calls that publishes held: divided by their count, what group commit gathers.",
      (lane) => lane.calls,
    ),
    byLane("tributary_log_messages_total", "Messages of publishes.", (lane) => lane.messages),
    byLane(
      "tributary_log_publish_unknown_total",
      "Publishes without an answer in time, which were read back.",
      (lane) => lane.unknown,
    ),
    gauge(
      "tributary_log_in_flight_bytes",
      "Bytes of calls that wait for the log.",
      bus.bytesInFlight(),
    ),
    gauge("tributary_log_connected", "1 while nats-server is there.", bus.isConnected() ? 1 : 0),
    gauge(
      "tributary_definitions_age_seconds",
      "Age of the definitions in memory: grows while Postgres is away.",
      Math.max(0, Date.now() - snapshot.freshAtMs()) / 1000,
    ),
  ];
}

function tailMetrics({ liveCounts }: WayIn): MetricFamily[] {
  return [
    gauge("tributary_tail_readers", "Readers that follow the newest records.", liveCounts.readers),
    gauge("tributary_tail_logs", "Logs that are followed.", liveCounts.logs),
    counter("tributary_tail_frames_total", "Frames given to readers.", liveCounts.frames),
  ];
}
