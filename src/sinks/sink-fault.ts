import type { RequestOutcome } from "./sink.ts";

/** What a fault carries beside its reason and text. */
export interface SinkFaultOptions {
  readonly cause?: unknown;
  /** For reason `FENCED`: the higher epoch that was found in the target. */
  readonly targetEpoch?: number;
  /** Text to copy that mends it, such as a policy. */
  readonly remedy?: string | undefined;
}

/**
 * A failure of scope `sink` with a reason, one word in upper case. The message is shown to the owner of
 * the sink, so it names what is wrong and never holds a secret. `open`, `resume` and `flush` throw it.
 */
export class SinkFault extends Error {
  readonly reason: string;
  readonly targetEpoch: number | undefined;
  readonly remedy: string | undefined;

  constructor(reason: string, message: string, options: SinkFaultOptions = {}) {
    super(message, { cause: options.cause });
    this.name = "SinkFault";
    this.reason = reason;
    this.targetEpoch = options.targetEpoch;
    this.remedy = options.remedy;
  }
}

/** The outcome for a failure of scope `sink`: the same request again, by the schedule. */
export function retrySink(reason: string, why: string): RequestOutcome {
  return { kind: "retry", scope: "sink", reason, why, burnsAttempt: true };
}

/** The outcome for a failure of scope `request`: delivery halves it until one record remains. */
export function retryRequest(reason: string, why: string): RequestOutcome {
  return { kind: "retry", scope: "request", reason, why, burnsAttempt: true };
}

/** The fault for an attempt that its signal ended. */
export function timeoutFault(what: string, cause?: unknown): SinkFault {
  return new SinkFault("TIMEOUT", `${what} did not finish in the time of one attempt`, { cause });
}
