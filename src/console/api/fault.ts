/** Errors of calls as words for people: what went wrong as a whole, and beside which field. */
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import { isUnreachable } from "./transport.ts";

/** What is wrong with one field, by its path in the request. */
export interface FieldFault {
  readonly field: string;
  readonly description: string;
}

/** An error for people. */
export interface Fault {
  readonly message: string;
  /** Reason of the server's table, such as `ALREADY_EXISTS`; empty for none. */
  readonly reason: string;
  readonly fields: readonly FieldFault[];
}

/** Makes a fault of anything that a call threw. */
export function faultOf(error: unknown): Fault {
  const known = ConnectError.from(error);
  if (isUnreachable(error)) {
    const message = `The server did not answer: ${known.rawMessage}. Try again in a moment.`;
    return { message, reason: "", fields: [] };
  }
  const fields = known
    .findDetails(BadRequestSchema)
    .flatMap((detail) => detail.fieldViolations)
    .map(({ field, description }) => ({ field: withoutCase(field), description }));
  const reason = known.findDetails(ErrorInfoSchema)[0]?.reason ?? "";
  return { message: sentence(known), reason, fields };
}

/** The fault of one field: exact path, or any path below it. */
export function faultAt(faults: readonly FieldFault[], path: string): string | undefined {
  const found = faults.filter(({ field }) => field === withoutCase(path));
  return found.length > 0 ? found.map((each) => each.description).join("; ") : undefined;
}

/** Paths are compared without regard to camelCase and snake_case. */
function withoutCase(path: string): string {
  return path.replace(/_([a-z])/g, (_all, letter: string) => letter.toUpperCase());
}

function sentence(error: ConnectError): string {
  const text = error.rawMessage || Code[error.code];
  const first = text.slice(0, 1).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
