/**
 * Times as C's strftime writes them (C11 7.27.3.5 and the extensions of glibc) in the C locale and UTC,
 * compiled once per format.
 */

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  ...["January", "February", "March", "April", "May", "June"],
  ...["July", "August", "September", "October", "November", "December"],
];
const DAY_MS = 86_400_000;

/** A format that is ready to be used; the argument is in milliseconds since 1970 UTC. */
export type TimeFormat = (timeMs: number) => string;

/** How a conversion is padded when no flag says otherwise: character and width. */
interface Conversion {
  readonly pad?: "0" | "_";
  readonly width?: number;
  readonly text: (date: Date) => string;
  /** What `#` makes of it: names in upper case, AM and PM in lower case. */
  readonly swapCase?: "upper" | "lower";
}

const number = (
  width: number,
  value: (date: Date) => number,
  pad: "0" | "_" = "0",
): Conversion => ({
  pad,
  width,
  text: (date) => String(value(date)),
});
const name = (
  value: (date: Date) => string,
  swapCase: "upper" | "lower" = "upper",
): Conversion => ({
  text: value,
  swapCase,
});
const combined = (source: string): Conversion => {
  let format: TimeFormat | undefined;
  return {
    text(date) {
      format ??= compileTimeFormat(source);
      return format(date.getTime());
    },
  };
};

const hour12 = (date: Date) => date.getUTCHours() % 12 || 12;
const floorMod = (a: number, b: number) => ((a % b) + b) % b;

const CONVERSIONS: Readonly<Record<string, Conversion>> = {
  a: name((date) => DAYS[date.getUTCDay()]!.slice(0, 3)),
  A: name((date) => DAYS[date.getUTCDay()]!),
  b: name((date) => MONTHS[date.getUTCMonth()]!.slice(0, 3)),
  B: name((date) => MONTHS[date.getUTCMonth()]!),
  h: name((date) => MONTHS[date.getUTCMonth()]!.slice(0, 3)),
  c: combined("%a %b %e %H:%M:%S %Y"),
  C: number(2, (date) => Math.floor(date.getUTCFullYear() / 100)),
  d: number(2, (date) => date.getUTCDate()),
  D: combined("%m/%d/%y"),
  e: number(2, (date) => date.getUTCDate(), "_"),
  F: combined("%Y-%m-%d"),
  g: number(2, (date) => floorMod(isoWeek(date).year, 100)),
  G: number(1, (date) => isoWeek(date).year),
  H: number(2, (date) => date.getUTCHours()),
  I: number(2, hour12),
  j: number(3, (date) => dayOfYear(date) + 1),
  k: number(2, (date) => date.getUTCHours(), "_"),
  l: number(2, hour12, "_"),
  m: number(2, (date) => date.getUTCMonth() + 1),
  M: number(2, (date) => date.getUTCMinutes()),
  n: { text: () => "\n" },
  p: name((date) => (date.getUTCHours() < 12 ? "AM" : "PM"), "lower"),
  P: name((date) => (date.getUTCHours() < 12 ? "am" : "pm")),
  r: combined("%I:%M:%S %p"),
  R: combined("%H:%M"),
  s: number(1, (date) => Math.floor(date.getTime() / 1000)),
  S: number(2, (date) => date.getUTCSeconds()),
  t: { text: () => "\t" },
  T: combined("%H:%M:%S"),
  u: number(1, (date) => date.getUTCDay() || 7),
  U: number(2, (date) => Math.floor((dayOfYear(date) + 7 - date.getUTCDay()) / 7)),
  V: number(2, (date) => isoWeek(date).week),
  w: number(1, (date) => date.getUTCDay()),
  W: number(2, (date) => Math.floor((dayOfYear(date) + 7 - ((date.getUTCDay() + 6) % 7)) / 7)),
  x: combined("%m/%d/%y"),
  X: combined("%H:%M:%S"),
  y: number(2, (date) => floorMod(date.getUTCFullYear(), 100)),
  Y: number(1, (date) => date.getUTCFullYear()),
  z: { text: () => "+0000" },
  Z: name(() => "UTC", "lower"),
  "%": { text: () => "%" },
};

/** A percent sign, flags, a width, a modifier and the conversion. */
const DIRECTIVE = /%([_\-0^#]*)(\d{0,4})([EO]?)([a-zA-Z%])/g;
const WIDTH_MAX = 255;

/** Compiles a format. What is no conversion stays as it stands, as glibc has it. */
export function compileTimeFormat(format: string): TimeFormat {
  const parts: (string | ((date: Date) => string))[] = [];
  let at = 0;
  for (const match of format.matchAll(DIRECTIVE)) {
    const [whole, flags = "", width = "", , letter = ""] = match;
    const conversion = CONVERSIONS[letter];
    if (!conversion) continue;
    parts.push(format.slice(at, match.index), writer(conversion, flags, Number(width)));
    at = match.index + whole.length;
  }
  parts.push(format.slice(at));
  return (timeMs) => {
    const date = new Date(timeMs);
    return parts.map((part) => (typeof part === "string" ? part : part(date))).join("");
  };
}

function writer(conversion: Conversion, flags: string, given: number): (date: Date) => string {
  const padFlag = /[_\-0](?=[^_\-0]*$)/.exec(flags)?.[0];
  const pad = padFlag ?? conversion.pad ?? "_";
  const width = Math.min(WIDTH_MAX, given || (padFlag === "-" ? 0 : (conversion.width ?? 0)));
  const fill = pad === "0" ? "0" : " ";
  const changeCase = flags.includes("#") ? conversion.swapCase : undefined;
  return (date) => {
    const text = conversion.text(date);
    const cased = flags.includes("^") || changeCase === "upper" ? text.toUpperCase() : text;
    return (changeCase === "lower" ? cased.toLowerCase() : cased).padStart(width, fill);
  };
}

/** From 0. */
function dayOfYear(date: Date): number {
  const start = Date.UTC(2000, 0, 1);
  const newYear = new Date(start).setUTCFullYear(date.getUTCFullYear());
  return Math.floor((date.getTime() - newYear) / DAY_MS);
}

/** Week and year after ISO 8601: week 1 holds the first Thursday. */
function isoWeek(date: Date): { readonly week: number; readonly year: number } {
  const thursday = new Date(date.getTime() + (4 - (date.getUTCDay() || 7)) * DAY_MS);
  return { week: Math.floor(dayOfYear(thursday) / 7) + 1, year: thursday.getUTCFullYear() };
}
