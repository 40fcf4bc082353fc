/**
 * postgres.js asks each new connection for the array types, and nobody awaits that question: when the
 * connection is lost before the answer, its error is a rejection without a handler, of which the process
 * would die although whoever waits for the connection is told. (`fetch_types: false` asks nothing, but then
 * a reserved connection is never handed out.)
 */

/** How the question begins; postgres.js puts the text of the query on its error. */
const QUESTION = /^\s*select b\.oid, b\.typarray\s/;

let users = 0;

/**
 * Lets that one rejection pass until the function returned is called, once; every other one ends the
 * process as it does without.
 */
export function passLostTypes(): () => void {
  if (users++ === 0) process.on("unhandledRejection", refuseOthers);
  return () => {
    if (--users === 0) process.off("unhandledRejection", refuseOthers);
  };
}

function refuseOthers(reason: unknown): void {
  const { query } = (reason ?? {}) as { readonly query?: unknown };
  if (typeof query === "string" && QUESTION.test(query)) return;
  // An exception in this listener is an uncaught one.
  throw reason;
}
