/** A chart of values that the page has. A table or figures beside it say the same in words. */
import { useEffect, useRef } from "react";
import type uPlot from "uplot";
import { usePreference } from "../api/preferences.ts";
import { openPlot, type PlotData } from "./plot.ts";

/** Draws again when there are other values; nothing while there are fewer than two times. */
export function Chart({ data }: { readonly data: PlotData }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const latest = useRef(data);
  latest.current = data;
  const isEmpty = data[0].length < 2;
  const lines = data.length;
  const colours = usePreference("colours");
  // biome-ignore lint/correctness/useExhaustiveDependencies: lines have the colour that the page had when they were drawn
  useEffect(() => {
    const element = box.current;
    if (isEmpty || !element || lines < 2) return;
    let isEnded = false;
    void openPlot(element, latest.current).then((opened) => {
      if (isEnded) opened.destroy();
      else plot.current = opened;
    });
    return () => {
      isEnded = true;
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [isEmpty, lines, colours]);
  useEffect(() => plot.current?.setData(data), [data]);
  return isEmpty ? null : <div className="chart" ref={box} aria-hidden="true" />;
}
