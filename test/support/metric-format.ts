/** A strict reader of the text format for metrics (Prometheus text format 0.0.4): throws at what a scraper would refuse, or should. */

/** Value by the sample's name with its labels, as they are written. */
export type Metrics = ReadonlyMap<string, number>;

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (\S+)$/;
const LABELS = /^\{([a-zA-Z_]\w*="(\\[\\"n]|[^\\"\n])*")(,[a-zA-Z_]\w*="(\\[\\"n]|[^\\"\n])*")*\}$/;
const VALUE = /^([+-]?(\d+(\.\d+)?([eE][+-]?\d+)?|Inf)|NaN)$/;
const TYPES = new Set(["counter", "gauge", "histogram"]);

/** Reads a whole answer. */
export function readMetrics(text: string): Metrics {
  if (!text.endsWith("\n")) throw new Error("the last line is not ended");
  const metrics = new Map<string, number>();
  const types = new Map<string, string>();
  let family = "";
  let help = "";
  for (const line of text.slice(0, -1).split("\n")) {
    const head = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (head) {
      const [, kind, name = "", rest = ""] = head;
      if (kind === "HELP") {
        if (types.has(name)) throw new Error(`${name} comes twice`);
        help = name;
        continue;
      }
      if (help !== name) throw new Error(`no help before the type of ${name}`);
      if (!TYPES.has(rest)) throw new Error(`${name} has the type ${rest}`);
      if ((rest === "counter") !== name.endsWith("_total")) throw new Error(`${name} is a ${rest}`);
      types.set(name, rest);
      family = name;
      continue;
    }
    const [, name = "", labels = "", value = ""] = SAMPLE.exec(line) ?? [];
    if (name === "") throw new Error(`not a line of metrics: ${line}`);
    const suffix = name.startsWith(family) ? name.slice(family.length) : "?";
    const suffixes = types.get(family) === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    if (!suffixes.includes(suffix)) throw new Error(`${name} stands below ${family}`);
    if (labels !== "" && !LABELS.test(labels)) throw new Error(`labels of ${line}`);
    if (!VALUE.test(value)) throw new Error(`value of ${line}`);
    const key = name + labels;
    if (metrics.has(key)) throw new Error(`${key} comes twice`);
    const number = Number(value.replace("Inf", "Infinity"));
    if (types.get(family) === "counter" && !(number >= 0)) throw new Error(`${key} is ${value}`);
    metrics.set(key, number);
  }
  for (const [name, type] of types) if (type === "histogram") checkHistogram(metrics, name);
  return metrics;
}

/** Buckets ascend in bound and count, and end with all there are. */
function checkHistogram(metrics: Metrics, name: string): void {
  const series = Map.groupBy(
    [...metrics].flatMap(([key, value]) => {
      const [, labels = "", le = ""] =
        new RegExp(`^${name}_bucket\\{(.*)le="(.*)"\\}$`).exec(key) ?? [];
      return le === "" ? [] : [{ labels, bound: Number(le.replace("Inf", "Infinity")), value }];
    }),
    ({ labels }) => labels,
  );
  if (series.size === 0) throw new Error(`${name} has no buckets`);
  for (const [labels, buckets] of series) {
    for (const [i, { bound, value }] of buckets.entries()) {
      const before = buckets[i - 1];
      if (before && !(bound > before.bound && value >= before.value)) {
        throw new Error(`buckets of ${name} at ${bound}`);
      }
    }
    const last = buckets.at(-1)!;
    const own = labels === "" ? "" : `{${labels.replace(/,$/, "")}}`;
    if (last.bound !== Number.POSITIVE_INFINITY) throw new Error(`${name} has no last bucket`);
    if (metrics.get(`${name}_count${own}`) !== last.value) throw new Error(`count of ${name}`);
    if (metrics.get(`${name}_sum${own}`) === undefined) throw new Error(`sum of ${name}`);
  }
}
