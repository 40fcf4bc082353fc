/** Figures for people. */

/** Money, from millionths. */
export function money(micros: bigint | undefined): string {
  return (Number(micros ?? 0n) / 1e6).toLocaleString(undefined, { maximumFractionDigits: 6 });
}

/** A number with the separators of the reader's language. */
export function whole(value: bigint | undefined): string {
  return (value ?? 0n).toLocaleString();
}

/** Bytes in the largest unit that gives at least 1. */
export function bytes(value: bigint | undefined): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = Number(value ?? 0n);
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size.toLocaleString(undefined, { maximumFractionDigits: 1 })} ${units[unit]}`;
}

/** How long something took. */
export function duration(
  value: { readonly seconds: bigint; readonly nanos: number } | undefined,
): string {
  return value ? span(Number(value.seconds) * 1_000 + value.nanos / 1e6) : "";
}

const UNITS = [
  ["days", 48 * 3_600_000, 24 * 3_600_000],
  ["h", 2 * 3_600_000, 3_600_000],
  ["min", 120_000, 60_000],
  ["s", 1_000, 1_000],
  ["ms", 0, 1],
] as const;

/** Milliseconds in a unit that people think in: `90 s`, `23.4 min`, `5 h`, `3 days`. */
export function span(ms: number): string {
  const [unit, , size] = UNITS.find(([, from]) => ms >= from) ?? UNITS[4];
  return `${(ms / size).toLocaleString(undefined, { maximumFractionDigits: 1 })} ${unit}`;
}
