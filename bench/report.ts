/** Measurements as tables, and as a section of bench/README.md. */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { canPin } from "./processes.ts";

/** One measurement of one run. Latencies in milliseconds. */
export interface Measurement {
  readonly name: string;
  readonly callsPerSecond?: number;
  readonly recordsPerSecond: number;
  readonly p50?: number;
  readonly p99?: number;
  readonly errors?: number;
  /** CPU seconds a second, by process. */
  readonly cores?: Readonly<Record<string, number>>;
  readonly peakBytes?: Readonly<Record<string, number>>;
}

/** What a benchmark gave. */
export interface Report {
  readonly title: string;
  readonly notes: readonly string[];
  readonly measurements: readonly Measurement[];
}

const HEAD = [
  "work",
  "calls/s",
  "records/s",
  "min to max",
  "p50 ms",
  "p99 ms",
  "node µs/record",
  "node cores",
  "nats cores",
  "postgres cores",
  "load cores",
  "node MiB",
];

/** The report as Markdown. */
export function formatReport(report: Report): string {
  const names = [...new Set(report.measurements.map((each) => each.name))];
  const rows = names.map((name) =>
    formatRow(
      name,
      report.measurements.filter((each) => each.name === name),
    ),
  );
  const lines = [HEAD, HEAD.map((_, i) => (i === 0 ? "---" : "---:")), ...rows];
  return [
    `## ${report.title}`,
    "",
    ...report.notes.map((note) => `- ${note}`),
    "",
    ...lines.map((cells) => `| ${cells.join(" | ")} |`),
    "",
  ].join("\n");
}

function formatRow(name: string, runs: readonly Measurement[]): string[] {
  const rate = medianOf(runs, (run) => run.recordsPerSecond);
  const rates = runs.map((run) => run.recordsPerSecond);
  const node = medianOf(runs, (run) => run.cores?.node);
  const cores = (process: string) =>
    digits(
      medianOf(runs, (run) => run.cores?.[process]),
      2,
    );
  const errors = runs.reduce((sum, run) => sum + (run.errors ?? 0), 0);
  const peak = Math.max(...runs.map((run) => run.peakBytes?.node ?? Number.NaN));
  return [
    errors > 0 ? `${name} (${errors} errors)` : name,
    digits(
      medianOf(runs, (run) => run.callsPerSecond),
      0,
    ),
    digits(rate, 0),
    rates.length > 1 ? `${digits(Math.min(...rates), 0)} to ${digits(Math.max(...rates), 0)}` : "",
    digits(
      medianOf(runs, (run) => run.p50),
      2,
    ),
    digits(
      medianOf(runs, (run) => run.p99),
      2,
    ),
    node === undefined || rate === undefined ? "" : digits((node / rate) * 1e6, 2),
    digits(node, 2),
    cores("nats-server"),
    cores("postgres"),
    cores("load"),
    Number.isFinite(peak) ? digits(peak / 2 ** 20, 0) : "",
  ];
}

/** Median of a figure over runs; undefined when no run has it. */
export function medianOf(
  runs: readonly Measurement[],
  figure: (run: Measurement) => number | undefined,
): number | undefined {
  const values = runs.map(figure).filter((value) => value !== undefined);
  return values.sort((a, b) => a - b)[values.length >> 1];
}

function digits(value: number | undefined, count: number): string {
  if (value === undefined) return "";
  return value.toLocaleString("en-US", {
    minimumFractionDigits: count,
    maximumFractionDigits: count,
  });
}

/** Memory by process, in MiB. */
export function formatMemory(bytes: Readonly<Record<string, number>>): string {
  return Object.entries(bytes)
    .map(([name, value]) => `${name} ${digits(value / 2 ** 20, 0)} MiB`)
    .join(", ");
}

/** The machine, the date, and how CPUs are shared out. */
export function describeMachine(): string[] {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return [
    `${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpu?.model.trim()}, ${memory} GiB, Node ${process.versions.node}`,
    canPin
      ? "the server on one CPU; nats-server, Postgres and the load generator on another"
      : "no taskset here: the processes share all CPUs",
  ];
}

/** Puts a report into bench/README.md, between the marks of its name. */
export function writeReport(name: string, text: string): void {
  const file = join(import.meta.dirname, "README.md");
  const before = readFileSync(file, "utf8");
  const marks = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`] as const;
  const [from, to] = [before.indexOf(marks[0]), before.indexOf(marks[1])];
  if (from < 0 || to < from) throw new Error(`bench/README.md lacks the marks of ${name}`);
  const after = `${before.slice(0, from)}${marks[0]}\n${text}\n${before.slice(to)}`;
  writeFileSync(file, after);
}
