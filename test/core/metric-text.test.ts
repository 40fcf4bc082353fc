import { expect, test } from "vitest";
import { createDurationHistogram } from "../../src/core/duration-histogram.ts";
import { formatMetrics } from "../../src/core/metric-text.ts";
import { readMetrics } from "../support/metric-format.ts";

test("B15: values, labels with odd text and histograms are written as the format has them", () => {
  const durations = createDurationHistogram();
  for (const ms of [0.2, 0.5, 3, 3, 9_000]) durations.observe(ms);
  const odd = 'a "b" \\ c\nd';
  const text = formatMetrics([
    { name: "calls_total", help: odd, type: "counter", samples: [{ value: 3 }] },
    { name: "queue", help: "h", type: "gauge", samples: [{ labels: { of: odd }, value: -0.5 }] },
    { name: "empty", help: "h", type: "gauge", samples: [] },
    { name: "took", help: "h", type: "histogram", samples: durations.samples({ lane: "usual" }) },
  ]);
  const metrics = readMetrics(text);
  expect(metrics.get("calls_total")).toBe(3);
  expect(metrics.get('queue{of="a \\"b\\" \\\\ c\\nd"}')).toBe(-0.5);
  const bucket = (le: string) => metrics.get(`took_bucket{lane="usual",le="${le}"}`);
  expect([bucket("0.0005"), bucket("0.001"), bucket("0.005"), bucket("5"), bucket("+Inf")]).toEqual(
    [2, 2, 4, 4, 5],
  );
  expect(metrics.get('took_sum{lane="usual"}')).toBeCloseTo(9.0067);
});
