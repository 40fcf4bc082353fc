/** Who changes definitions, for their versions: known where a call or task begins, used in its transactions. */
import { AsyncLocalStorage } from "node:async_hooks";

const authors = new AsyncLocalStorage<string>();

/** Runs work in the name of a principal, `person:<uid>`, a client id or the like. */
export function runAsAuthor<T>(author: string, work: () => T): T {
  return authors.run(author, work);
}

/** In whose name this runs; empty for the server itself. */
export function currentAuthor(): string {
  return authors.getStore() ?? "";
}
