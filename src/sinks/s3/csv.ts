/**
 * One line of CSV (RFC 4180). A missing value is an empty field, an empty text a quoted one, so that
 * readers that know the difference can tell them apart.
 */
export function formatCsvLine(values: readonly (string | undefined)[]): string {
  return `${values.map(fieldOf).join(",")}\r\n`;
}

function fieldOf(value: string | undefined): string {
  if (value === undefined) return "";
  return value === "" || /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
