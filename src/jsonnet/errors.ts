/** The one error of this package, and the faults that become it. */

/** What stopped a template. */
export type JsonnetErrorKind =
  /** The source is no Jsonnet, or uses names that do not exist: found when it is compiled. */
  | "syntax"
  /** The template failed while it ran: `error`, a failed assertion, wrong types, a host function. */
  | "runtime"
  /** A budget was used up; `limit` says which. */
  | "limit";

/** The budgets a template can run out of; `time` only in a pool, which stops what nothing else stopped. */
export type LimitName = "source" | "nesting" | "steps" | "depth" | "allocation" | "output" | "time";

/**
 * Why a template did not compile or gave no value. `message` begins with `line:column: ` where the
 * place is known; columns count code points from 1. `cause` is what a host function threw.
 */
export class JsonnetError extends Error {
  override readonly name = "JsonnetError";
  readonly kind: JsonnetErrorKind;
  /** The message without the place. */
  readonly reason: string;
  readonly line: number | undefined;
  readonly column: number | undefined;
  /** Which budget, when `kind` is `limit`. */
  readonly limit: LimitName | undefined;

  constructor(fault: Fault, source: string) {
    const place = fault.at === undefined ? undefined : placeOf(source, fault.at);
    const prefix = place ? `${place.line}:${place.column}: ` : "";
    super(`${prefix}${fault.reason}`, { cause: fault.cause });
    this.kind = fault.kind;
    this.reason = fault.reason;
    this.line = place?.line;
    this.column = place?.column;
    this.limit = fault.limit;
  }
}

/** What the inside throws: without the source text, and at first often without a place. */
export class Fault {
  readonly kind: JsonnetErrorKind;
  readonly reason: string;
  readonly limit: LimitName | undefined;
  readonly cause: unknown;
  /** Offset into the source in UTF-16 units. */
  at: number | undefined;

  constructor(
    kind: JsonnetErrorKind,
    reason: string,
    more: { at?: number; limit?: LimitName; cause?: unknown } = {},
  ) {
    this.kind = kind;
    this.reason = reason;
    this.at = more.at;
    this.limit = more.limit;
    this.cause = more.cause;
  }
}

/** Makes a fault of the source text. */
export function syntaxFault(at: number, reason: string): Fault {
  return new Fault("syntax", reason, { at });
}

/** Makes a fault of a running template; whoever knows the place adds it with `locate`. */
export function runtimeFault(reason: string, at?: number): Fault {
  return new Fault("runtime", reason, at === undefined ? {} : { at });
}

/** Makes the fault of a budget that is used up. */
export function limitFault(limit: LimitName, reason: string, at?: number): Fault {
  return new Fault("limit", reason, at === undefined ? { limit } : { limit, at });
}

/** Gives a fault without a place the place `at`; other errors pass as they are. */
export function locate(error: unknown, at: number): unknown {
  if (error instanceof Fault && error.at === undefined) error.at = at;
  return error;
}

/** Whether an error is JavaScript's own for a stack that is full. */
export function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && error.message.includes("call stack");
}

function placeOf(source: string, at: number): { line: number; column: number } {
  const before = source.slice(0, at);
  const lineStart = before.lastIndexOf("\n") + 1;
  return {
    line: before.split("\n").length,
    column: Array.from(before.slice(lineStart)).length + 1,
  };
}
