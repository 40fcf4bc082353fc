/** Records a second over the last minutes. */
import { useEffect, useRef } from "react";
import type uPlot from "uplot";

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

async function openPlot(element: HTMLElement, data: [number[], number[]]): Promise<uPlot> {
  const [{ default: Plot }] = await Promise.all([
    import("uplot"),
    import("uplot/dist/uPlot.min.css"),
  ]);
  const style = getComputedStyle(element);
  const colour = style.getPropertyValue("color");
  const axis = { stroke: colour, grid: { show: false } };
  return new Plot(
    {
      width: element.clientWidth,
      height: element.clientHeight,
      legend: { show: false },
      cursor: { show: false },
      axes: [axis, { ...axis, size: 40 }],
      scales: { y: { range: (_plot, _min, max) => [0, Math.max(5, max)] } },
      series: [{}, { stroke: colour, fill: "rgb(108 198 230 / 40%)", points: { show: false } }],
    },
    data,
    element,
  );
}
