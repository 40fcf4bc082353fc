/** A time limit for unary calls whose caller set none. */
import type { Interceptor } from "@connectrpc/connect";
import { fail } from "../../core/errors.ts";

/** Fails a unary call with DEADLINE_EXCEEDED after `timeoutMs` and aborts its signal. */
export function limitTime(timeoutMs: number): Interceptor {
  return (next) => async (request) => {
    if (request.stream) return next(request);
    const controller = new AbortController();
    const onAbort = () => controller.abort(request.signal.reason);
    if (request.signal.aborted) onAbort();
    request.signal.addEventListener("abort", onAbort, { once: true });
    let timer: NodeJS.Timeout | undefined;
    const expiry = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const error = fail("DEADLINE_EXCEEDED", `the call took longer than ${timeoutMs} ms`);
        controller.abort(error);
        reject(error);
      }, timeoutMs);
    });
    try {
      return await Promise.race([next({ ...request, signal: controller.signal }), expiry]);
    } finally {
      clearTimeout(timer);
      request.signal.removeEventListener("abort", onAbort);
    }
  };
}
