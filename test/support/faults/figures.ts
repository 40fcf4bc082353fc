/** What a run of a fault found, in one line, and how large the runs are. */
import { appendFileSync } from "node:fs";
import type { Verdict } from "../history.ts";

/** Set by `npm run test:chaos -- --long`: the full sizes instead of a minute or two. */
export const isLong = process.env.FAULT_SIZES === "long";

/** A size of a run; CI runs those that have a brief form with FAULT_SIZES=brief. */
export function size(short: number, long: number, brief = short): number {
  if (isLong) return long;
  return process.env.FAULT_SIZES === "brief" ? brief : short;
}

/** The figures that matter of every fault; a sink's verdict stands under the name of its kind. */
export interface FaultFigures {
  /** How often something was killed, paused or broken. */
  readonly faults: number;
  /** What the log has, by ListRecords, when it was read. */
  readonly log?: Verdict | undefined;
  /** What each receiver has, by its name. */
  readonly sinks?: Readonly<Record<string, Verdict>>;
  /** What is wrong with the ledgers; undefined when they were not read. */
  readonly ledger?: readonly string[] | undefined;
}

/**
 * Prints the line, and appends it to the file that the runner of `npm run test:chaos` prints at its end.
 * `more` are figures of this fault alone.
 */
export function printFigures(fault: string, figures: FaultFigures, more: object = {}): void {
  const { log, sinks = {}, ledger } = figures;
  const verdicts = [...(log ? [log] : []), ...Object.values(sinks)];
  const sum = (of: (verdict: Verdict) => readonly unknown[]) =>
    verdicts.reduce((total, verdict) => total + of(verdict).length, 0);
  const dup = Object.entries({ ...(log && { log }), ...sinks }).map(
    ([name, verdict]) => `${name}=${verdict.dup.length}`,
  );
  const parts = [
    `faults=${figures.faults}`,
    ...(verdicts.length === 0
      ? []
      : [
          `acked=${verdicts[0]!.acked}`,
          `lost=${sum((v) => v.lost)}`,
          `invented=${sum((v) => v.invented)}`,
          `dup(${dup.join(" ")})`,
          `reorder=${sum((v) => v.reorder)}`,
        ]),
    ...(ledger ? [`ledger=${ledger.length === 0 ? "exact" : "WRONG"}`] : []),
    ...Object.entries(more).map(([name, value]) => `${name}=${textOf(value)}`),
  ];
  const line = `${fault}: ${parts.join(" ")}`;
  process.stderr.write(`${line}\n`);
  if (process.env.FAULT_FIGURES) appendFileSync(process.env.FAULT_FIGURES, `${line}\n`);
}

function textOf(value: unknown): string {
  if (typeof value === "number") return String(Math.round(value * 100) / 100);
  return typeof value === "string" ? value : JSON.stringify(value);
}
