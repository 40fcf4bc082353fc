/** Dates and times of RFC 3339, read from bytes without Date, whose parser takes far more. */

/** The parts of a timestamp; `fraction` without its point, as written. */
export interface TimestampParts {
  /** Days since 1970-01-01 of the local date. */
  readonly days: number;
  /** Seconds since local midnight. */
  readonly seconds: number;
  readonly fraction: string;
  readonly offsetMinutes: number;
}

const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;
/** 0001-01-01 and 9999-12-31 in days since 1970. */
const FIRST_DAY = -719_162;
const LAST_DAY = 2_932_896;

/** Days since 1970 of `YYYY-MM-DD` at `at`; what is wrong with it otherwise. */
export function readDate(bytes: Uint8Array, at: number, end: number): number | string {
  if (end - at < 10 || bytes[at + 4] !== 0x2d || bytes[at + 7] !== 0x2d) return "is not YYYY-MM-DD";
  const year = twoDigits(bytes, at) * 100 + twoDigits(bytes, at + 2);
  const month = twoDigits(bytes, at + 5);
  const day = twoDigits(bytes, at + 8);
  if (Number.isNaN(year + month + day)) return "is not YYYY-MM-DD";
  if (year < 1) return "has the year 0000: years are 0001 to 9999";
  if (month < 1 || month > 12) return "has a month that is not 01 to 12";
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const last = month === 2 && isLeap ? 29 : DAYS_IN_MONTH[month - 1]!;
  if (day < 1 || day > last) return "has a day that the month does not have";
  return daysFromCivil(year, month, day);
}

/** What `timestampFault` has read last: a check asks for nothing but the fault, and makes nothing then. */
const read = { days: 0, seconds: 0, fractionStart: 0, fractionEnd: 0, offsetMinutes: 0 };

/**
 * The timestamp in `bytes[at, end)`: date, `T`, time to the second or finer, and `Z` or an offset.
 * What is wrong with it otherwise, with the fix. Leap seconds are refused: most destinations have
 * none.
 */
export function readTimestamp(bytes: Uint8Array, at: number, end: number): TimestampParts | string {
  const fault = timestampFault(bytes, at, end);
  if (fault !== undefined) return fault;
  const { days, seconds, fractionStart, fractionEnd, offsetMinutes } = read;
  const fraction = fractionStart < fractionEnd ? latin1(bytes, fractionStart, fractionEnd) : "";
  return { days, seconds, fraction, offsetMinutes };
}

/** What is wrong with the timestamp in `bytes[at, end)`, as `readTimestamp` says it; undefined when it is good. */
export function timestampFault(bytes: Uint8Array, at: number, end: number): string | undefined {
  const days = readDate(bytes, at, end);
  if (typeof days === "string") return `${days} at its start, as in 2026-01-31T12:00:00Z`;
  if ((bytes[at + 10]! | 0x20) !== 0x74 || end < at + 20) return "is not like 2026-01-31T12:00:00Z";
  if (bytes[at + 13] !== 0x3a || bytes[at + 16] !== 0x3a) return "is not like 2026-01-31T12:00:00Z";
  const hour = twoDigits(bytes, at + 11);
  const minute = twoDigits(bytes, at + 14);
  const second = twoDigits(bytes, at + 17);
  if (second === 60) return "is a leap second: send second 59 or the next second instead";
  if (!(hour < 24 && minute < 60 && second < 60)) return "has a time that no clock shows";
  let zone = at + 19;
  let fractionStart = zone;
  if (bytes[zone] === 0x2e) {
    fractionStart = ++zone;
    while (zone < end && bytes[zone]! >= 0x30 && bytes[zone]! <= 0x39) zone++;
    if (zone === fractionStart) return "has a point without digits behind it";
  }
  const offsetMinutes = readZone(bytes, zone, end);
  if (typeof offsetMinutes === "string") return offsetMinutes;
  const seconds = hour * 3600 + minute * 60 + second;
  const day = days + Math.floor((seconds - offsetMinutes * 60) / 86_400);
  if (day < FIRST_DAY || day > LAST_DAY) return "is outside the years 0001 to 9999 in UTC";
  read.days = days;
  read.seconds = seconds;
  read.fractionStart = fractionStart;
  read.fractionEnd = zone;
  read.offsetMinutes = offsetMinutes;
  return undefined;
}

/** One text for all ways to write an instant: in UTC, `Z`, the fraction without zeros at its end. */
export function canonicalTimestamp(parts: TimestampParts): string {
  const utc = parts.seconds - parts.offsetMinutes * 60;
  const day = parts.days + Math.floor(utc / 86_400);
  const date = civilFromDays(day);
  const rest = ((utc % 86_400) + 86_400) % 86_400;
  const time = [Math.floor(rest / 3600), Math.floor(rest / 60) % 60, rest % 60];
  let end = parts.fraction.length;
  while (end > 0 && parts.fraction.charCodeAt(end - 1) === 0x30) end--;
  const fraction = end > 0 ? `.${parts.fraction.slice(0, end)}` : "";
  return `${date}T${time.map((part) => String(part).padStart(2, "0")).join(":")}${fraction}Z`;
}

function readZone(bytes: Uint8Array, at: number, end: number): number | string {
  const sign = bytes[at];
  if (at >= end) return "has no zone: put Z or an offset such as +01:00 at its end";
  if (sign === 0x5a || sign === 0x7a) return at + 1 === end ? 0 : "goes on after its zone";
  if (sign !== 0x2b && sign !== 0x2d)
    return "has no zone: put Z or an offset such as +01:00 at its end";
  const hours = twoDigits(bytes, at + 1);
  const minutes = twoDigits(bytes, at + 4);
  if (end !== at + 6 || bytes[at + 3] !== 0x3a || !(hours < 24 && minutes < 60)) {
    return "has a zone that is not like Z or +01:00";
  }
  return (hours * 60 + minutes) * (sign === 0x2d ? -1 : 1);
}

/** Two digits as a number; NaN when they are none. */
function twoDigits(bytes: Uint8Array, at: number): number {
  const tens = bytes[at]! - 0x30;
  const ones = bytes[at + 1]! - 0x30;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

/** Days since 1970-01-01 in the proleptic Gregorian calendar. */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const leaps = Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100);
  return era * 146_097 + yearOfEra * 365 + leaps + dayOfYear - 719_468;
}

function civilFromDays(days: number): string {
  const date = new Date(days * 86_400_000);
  return date.toISOString().slice(0, 10);
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}
