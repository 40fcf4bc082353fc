/** Charts over time. The library is loaded with the first of them. */
import type uPlot from "uplot";

/** Times in seconds since 1970, then a list of values for each line. */
export type PlotData = [times: number[], ...values: number[][]];

// Light enough for the dark page, dark enough for the light one; the dashes tell them apart as well.
const LINES = [
  { fill: "rgb(108 198 230 / 40%)", dash: [] },
  { fill: "transparent", dash: [6, 4] },
  { fill: "transparent", dash: [2, 3] },
];

/** Draws lines into an element, in its colour; the first one is filled. */
export async function openPlot(element: HTMLElement, data: PlotData): Promise<uPlot> {
  const [{ default: Plot }] = await Promise.all([
    import("uplot"),
    import("uplot/dist/uPlot.min.css"),
  ]);
  const colour = getComputedStyle(element).getPropertyValue("color");
  const axis = { stroke: colour, grid: { show: false } };
  const resized = new ResizeObserver(() => plot.setSize(sizeOf(element)));
  const plot = new Plot(
    {
      ...sizeOf(element),
      legend: { show: false },
      cursor: { show: false },
      axes: [axis, { ...axis, size: 60 }],
      hooks: { destroy: [() => resized.disconnect()] },
      scales: { y: { range: (_plot, _min, max) => [0, Math.max(5, max)] } },
      series: [
        {},
        ...LINES.slice(0, data.length - 1).map((line) => ({
          ...line,
          stroke: colour,
          points: { show: false },
        })),
      ],
    },
    data,
    element,
  );
  resized.observe(element);
  return plot;
}

/** A chart is as wide as its place, also after that has changed. */
function sizeOf({ clientWidth, clientHeight }: HTMLElement): { width: number; height: number } {
  return { width: clientWidth, height: clientHeight };
}
