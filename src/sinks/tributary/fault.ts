/** What refusals of another Tributary mean for a request. */
import { Code, ConnectError } from "@connectrpc/connect";
import { reasonOf, retryAfterMsOf } from "../../core/errors.ts";
import type { RequestOutcome } from "../sink.ts";
import { retryRequest, retrySink, SinkFault } from "../sink-fault.ts";

/** The other side's wish is followed for at most this long. */
const AFTER_MS_MAX = 24 * 3600 * 1000;
const TEXT_CHARS = 300;

/** The fault of an error of a call; texts are the other side's own, cut, and name no secret. */
export function toRemoteFault(error: unknown): SinkFault {
  if (error instanceof SinkFault) return error;
  const { code, rawMessage, cause } = ConnectError.from(error);
  if (cause instanceof SinkFault) return cause;
  const network = (cause as { code?: unknown } | undefined)?.code;
  if (code === Code.DeadlineExceeded || code === Code.Canceled) {
    return new SinkFault("TIMEOUT", "the push did not finish in the time of one attempt");
  }
  if (network === "ERR_HTTP2_ERROR") {
    const why =
      "the way to the other server is not HTTP/2, which PushStream needs: set method to PUSH where a " +
      "proxy speaks HTTP/1.1 only";
    return new SinkFault("HTTP2_REFUSED", why, { cause: error });
  }
  if (typeof network === "string") {
    const reason = /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO/.test(network)
      ? "TLS_FAILED"
      : "CONNECTION_FAILED";
    return new SinkFault(reason, `the connection failed: ${network}`, { cause: error });
  }
  const own = reasonOf(error) ?? Code[code].replace(/(?<=.)([A-Z])/g, "_$1").toUpperCase();
  return new SinkFault(own, `the other server refused: ${rawMessage.slice(0, TEXT_CHARS)}`, {
    cause: error,
  });
}

/** What came of a request of `rows` rows that was refused. */
export function outcomeOfRefusal(error: unknown, rows: number): RequestOutcome {
  const { reason, message: why } = toRemoteFault(error);
  const code = error instanceof ConnectError ? error.code : Code.Unknown;
  const afterMs = retryAfterMsOf(error);
  const isTooLarge = code === Code.ResourceExhausted && afterMs === undefined;
  if (code === Code.InvalidArgument || isTooLarge) {
    if (rows > 1) return retryRequest(reason, why);
    return { kind: "rows", outcomes: [{ kind: "reject", reason, why }] };
  }
  if (code === Code.ResourceExhausted || (code === Code.Unavailable && afterMs !== undefined)) {
    const wish = afterMs === undefined ? {} : { afterMs: Math.min(afterMs, AFTER_MS_MAX) };
    return { kind: "retry", scope: "sink", reason, why, burnsAttempt: false, ...wish };
  }
  return retrySink(reason, why);
}
