/**
 * Measurements in the text format that Prometheus and its kin read (version 0.0.4). Values are plain
 * numbers that parts count as they go; they are gathered when somebody asks, so counting costs a push
 * an addition and nothing else.
 */

/** One value. Labels have few values, known beforehand: never names of projects, streams or callers. */
export interface MetricSample {
  /** Behind the family's name: `_bucket`, `_sum` or `_count` of a histogram; nothing when left out. */
  readonly suffix?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Values of one name. */
export interface MetricFamily {
  /** In base units, with the unit in it; counters end with `_total`. */
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly samples: readonly MetricSample[];
}

/** Content type of the text. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** The text of families; each name may come once. */
export function formatMetrics(families: readonly MetricFamily[]): string {
  return families.map(formatFamily).join("");
}

function formatFamily({ name, help, type, samples }: MetricFamily): string {
  const head = `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
  const lines = samples.map(
    ({ suffix = "", labels = {}, value }) =>
      `${name}${suffix}${formatLabels(labels)} ${formatValue(value)}\n`,
  );
  return head + lines.join("");
}

function formatLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  return String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
