/** Names of headers that owners of sources choose. */
import type { FieldViolation } from "../core/errors.ts";

const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/;
/** Headers that mean something to every HTTP server or are joined from several. */
const TAKEN = ["host", "content-length", "content-type", "content-encoding", "connection"];

/** What is wrong with a header's name; `also` are further names that will not do. */
export function checkHeaderName(
  field: string,
  name: string,
  also: readonly string[] = [],
): FieldViolation[] {
  if (!TOKEN.test(name)) {
    return [{ field, description: "is no name of a header, such as x-api-key" }];
  }
  if (![...TAKEN, ...also].includes(name.toLowerCase())) return [];
  return [{ field, description: `${name} means something else: choose another header` }];
}
