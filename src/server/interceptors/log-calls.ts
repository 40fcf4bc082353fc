/** Logs every call, and keeps what is not ours to say out of answers. */
import { type Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { callKey } from "../../core/call.ts";
import { reasonOf } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import { principalKey } from "../../core/principal.ts";
import { asPublicError, isServerFault, stampRequestId } from "../answer.ts";
import { mendParseFault, progressKey } from "../parse-faults.ts";

/** The outermost interceptor: one debug line per call, an error line for faults of the server. */
export function logCalls(logger: Logger, nowMs: () => number): Interceptor {
  return (next) => async (request) => {
    const progress = request.contextValues.get(progressKey);
    progress.isDecoded = true;
    const startMs = nowMs();
    const call = request.contextValues.get(callKey);
    const report = (reason?: unknown) => {
      const error = reason === undefined ? undefined : publicError(reason, request.signal);
      const fields = {
        rpc: `${request.service.typeName}/${request.method.name}`,
        code: error ? codeToString(error.code as Code) : "ok",
        ms: Math.round((nowMs() - startMs) * 1000) / 1000,
        requestId: call?.requestId,
        client: request.contextValues.get(principalKey)?.id,
      };
      if (error && isServerFault(error)) {
        logger.error("call failed", { ...fields, error: error.cause ?? error });
      } else logger.debug("call", fields);
      if (error && call) stampRequestId(error, call.requestId);
      // Other projects' services have error contracts of their own, where our ErrorInfo is a surprise.
      if (error && !progress.isOurs && reasonOf(error)) error.details.length = 0;
      return error;
    };
    try {
      const response = await next(
        request.stream
          ? { ...request, message: mendEach(request.message, progress.isOurs) }
          : request,
      );
      if (response.stream) return { ...response, message: watchEach(response.message, report) };
      report();
      return response;
    } catch (error) {
      throw report(error);
    }
  };
}

/** An AbortError only says that the signal fired; the signal knows why. */
function publicError(reason: unknown, signal: AbortSignal): ConnectError {
  const isAbort = reason instanceof Error && reason.name === "AbortError";
  if (!isAbort || !signal.aborted) return asPublicError(reason);
  return ConnectError.from(signal.reason);
}

async function* mendEach<M>(messages: AsyncIterable<M>, isOurs: boolean): AsyncIterable<M> {
  try {
    yield* messages;
  } catch (error) {
    mendParseFault(error, isOurs);
    throw error;
  }
}

async function* watchEach<M>(
  messages: AsyncIterable<M>,
  report: (reason?: unknown) => ConnectError | undefined,
): AsyncIterable<M> {
  let isDone = false;
  try {
    yield* messages;
    isDone = true;
    report();
  } catch (error) {
    isDone = true;
    throw report(error);
  } finally {
    // The caller went away.
    if (!isDone) report();
  }
}
