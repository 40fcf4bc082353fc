/** How long a question waits before it is asked once more. */
const AGAIN_MS = 500;

/**
 * Asks JetStream something that changes nothing, and asks again every half second while there is no answer: a
 * question that comes while a leader is elected is answered by nobody, and its own time limit may be
 * long after the election. The first answer counts, also a refusal; without any, the first question's
 * time limit is that of all.
 */
export function askAgain<T>(ask: () => Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const once = () => void ask().then(resolve, reject);
  const timer = setInterval(once, AGAIN_MS);
  once();
  return promise.finally(() => clearInterval(timer));
}
