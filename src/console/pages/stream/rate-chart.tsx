/** Records a second over the last minutes. */
import { useEffect, useRef } from "react";
import type uPlot from "uplot";
import { openPlot } from "../../parts/plot.ts";

const SECONDS = 120;

/** A chart that moves on once a second. The figures beside it say the same to screen readers. */
export function RateChart({ count }: { readonly count: number }) {
  const box = useRef<HTMLDivElement>(null);
  const latest = useRef(count);
  latest.current = count;
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    return startChart(element, () => latest.current);
  }, []);
  return <div className="chart" ref={box} aria-hidden="true" />;
}

function startChart(element: HTMLElement, read: () => number): () => void {
  let plot: uPlot | undefined;
  let isEnded = false;
  let before = read();
  const started = Math.floor(Date.now() / 1000) - SECONDS;
  const times = Array.from({ length: SECONDS }, (_none, i) => started + i);
  const rates: number[] = times.map(() => 0);
  const timer = setInterval(() => {
    const now = read();
    times.push(Math.floor(Date.now() / 1000));
    rates.push(Math.max(0, now - before));
    before = now;
    times.shift();
    rates.shift();
    plot?.setData([times, rates]);
  }, 1_000);
  void openPlot(element, [times, rates]).then((opened) => {
    if (isEnded) opened.destroy();
    else plot = opened;
  });
  return () => {
    isEnded = true;
    clearInterval(timer);
    plot?.destroy();
  };
}
