/** The process itself: memory, CPU, and how late its event loop is. */
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { MetricFamily } from "../core/metric-text.ts";

/** What is watched. */
export interface ProcessMetrics {
  collect(): MetricFamily[];
  close(): void;
}

const RESOLUTION_MS = 10;
/** As of the time since the last look. */
const QUANTILES = [0.5, 0.99, 1];

/** Watches until it is closed. */
export function watchProcess(): ProcessMetrics {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  return {
    collect() {
      const families = [...delayMetrics(delay), ...usageMetrics()];
      delay.reset();
      return families;
    },
    close: () => void delay.disable(),
  };
}

function delayMetrics(delay: ReturnType<typeof monitorEventLoopDelay>): MetricFamily[] {
  const hasSome = delay.count > 0;
  // Samples hold the time between two of them.
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1e3);
  const samples = QUANTILES.map((quantile) => ({
    labels: { quantile: String(quantile) },
    value: hasSome ? late(delay.percentile(Math.max(1e-9, quantile * 100))) : 0,
  }));
  return [
    {
      name: "tributary_event_loop_delay_seconds",
      help: "How late the event loop was since the last look: at the middle, 99 of 100 times, and at most.",
      type: "gauge",
      samples,
    },
    one("tributary_event_loop_active_seconds_total", "Time that the event loop was busy.", {
      type: "counter",
      value: performance.eventLoopUtilization().active / 1000,
    }),
  ];
}

/** By the names that all programs give them. */
function usageMetrics(): MetricFamily[] {
  const { rss, heapUsed, external } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return [
    one("process_cpu_seconds_total", "CPU time of the process, all threads.", {
      type: "counter",
      value: (user + system) / 1e6,
    }),
    one("process_resident_memory_bytes", "Resident memory.", { type: "gauge", value: rss }),
    one("process_start_time_seconds", "When the process began, since 1970.", {
      type: "gauge",
      value: performance.timeOrigin / 1000,
    }),
    one("nodejs_heap_size_used_bytes", "Used heap.", { type: "gauge", value: heapUsed }),
    one("nodejs_external_memory_bytes", "Memory of buffers beside the heap.", {
      type: "gauge",
      value: external,
    }),
  ];
}

function one(
  name: string,
  help: string,
  { type, value }: { readonly type: "counter" | "gauge"; readonly value: number },
): MetricFamily {
  return { name, help, type, samples: [{ value }] };
}
