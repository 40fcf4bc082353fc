/**
 * Loaded into the server before it starts (`node --import`): keeps the delay of its event loop, and writes
 * the highest and the 99.9th percentile in milliseconds to the file LOOP_DELAY_FILE names at each SIGUSR2,
 * then begins anew.
 */
import { writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

const file = process.env.LOOP_DELAY_FILE;
if (file) {
  // Samples at each millisecond hold about one more; below that the timer itself is what is measured.
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  process.on("SIGUSR2", () => {
    const { max, min } = histogram;
    const p999 = histogram.percentile(99.9);
    const milliseconds = (nanoseconds: number) => Math.max(0, (nanoseconds - min) / 1e6);
    writeFileSync(file, JSON.stringify({ max: milliseconds(max), p999: milliseconds(p999) }));
    histogram.reset();
  });
}
