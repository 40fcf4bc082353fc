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
  if (!value) return "";
  const ms = Number(value.seconds) * 1_000 + value.nanos / 1e6;
  if (ms < 1_000) return `${ms.toLocaleString(undefined, { maximumFractionDigits: 1 })} ms`;
  return `${(ms / 1_000).toLocaleString(undefined, { maximumFractionDigits: 1 })} s`;
}
