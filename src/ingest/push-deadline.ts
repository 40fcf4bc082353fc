/** The time that a caller gives for the answer to its push. */
import { fail } from "../core/errors.ts";

/** The answer in time, or DEADLINE_EXCEEDED: then whether the records are stored is unknown. */
export async function withDeadline<T>(timeoutMs: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const text = "the time that the caller gave is over; whether the records are stored is unknown";
    timer = setTimeout(() => reject(fail("DEADLINE_EXCEEDED", text)), timeoutMs);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
