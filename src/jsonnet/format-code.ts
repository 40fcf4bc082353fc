/** The little language of formats: `%(name)#0- +12.3ld`. */
import { runtimeFault } from "./errors.ts";
import { scan, spend } from "./meter.ts";

/** One `%…` of a format. */
export interface FormatCode {
  /** `(name)`, or null. */
  readonly key: string | null;
  readonly alternate: boolean;
  readonly zero: boolean;
  readonly left: boolean;
  readonly blank: boolean;
  readonly plus: boolean;
  /** 0 when not given; `*` takes it from the values. */
  readonly width: number | "*";
  readonly precision: number | "*" | null;
  /** d, o, x, e, f, g, c, s or %; `i` and `u` are d. */
  readonly type: string;
  readonly upper: boolean;
}

const CODE = /%(?:\(([^)]*)\))?([#0\- +]*)(\*|[0-9]*)(?:\.(\*|[0-9]*))?[hlL]?([diuoxXeEfFgGcs%])/y;

/** The parts of a format: text as it is, and codes. */
export function parseFormat(format: string): (string | FormatCode)[] {
  scan(format.length * 4);
  const parts: (string | FormatCode)[] = [];
  let from = 0;
  while (true) {
    const at = format.indexOf("%", from);
    if (at < 0) break;
    if (at > from) parts.push(format.slice(from, at));
    CODE.lastIndex = at;
    const match = CODE.exec(format);
    if (!match) throw badCode(format, at);
    spend(4);
    parts.push(toCode(match));
    from = CODE.lastIndex;
  }
  if (from < format.length) parts.push(format.slice(from));
  return parts;
}

function toCode([
  ,
  key,
  flags = "",
  width = "",
  precision,
  letter = "",
]: RegExpExecArray): FormatCode {
  const lower = letter.toLowerCase();
  return {
    key: key ?? null,
    alternate: flags.includes("#"),
    zero: flags.includes("0"),
    left: flags.includes("-"),
    blank: flags.includes(" "),
    plus: flags.includes("+"),
    width: width === "*" ? "*" : Number(width),
    precision: precision === undefined ? null : precision === "*" ? "*" : Number(precision),
    type: lower === "i" || lower === "u" ? "d" : lower,
    upper: letter !== lower,
  };
}

function badCode(format: string, at: number) {
  const code = JSON.stringify(format.slice(at, at + 20));
  return runtimeFault(`The format code at ${code} is cut off or unknown.`);
}
