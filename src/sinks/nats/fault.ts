/** What errors of the NATS client mean, by their classes; texts name no secret. */
import type { RowOutcome } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";

/** Codes of JetStream's own errors. */
const MESSAGE_TOO_LARGE = 10_054;
/** The stream that a message names is not the one that takes its subject. */
export const OTHER_STREAM = 10_060;

/** What a stream answers to a message. */
export interface PublishAnswer {
  readonly stream?: string;
  readonly error?: { readonly err_code?: number; readonly description?: string };
}

/** The fault of an error of the client. */
export function toNatsFault(error: unknown, what: string): SinkFault {
  if (error instanceof SinkFault) return error;
  const { name, code, cause, message } = error as Error & { code?: unknown };
  const names = [name, (cause as Error | undefined)?.name];
  const is = (wanted: string) => names.includes(wanted);
  if (is("AuthorizationError") || is("UserAuthenticationExpiredError")) {
    return new SinkFault("AUTHENTICATION_FAILED", "the server refused the credentials");
  }
  if (is("PermissionViolationError")) {
    return new SinkFault("ACCESS_DENIED", `${what}: the server permits it not to this user`);
  }
  if (is("NoResponders")) {
    return new SinkFault(
      "DESTINATION_MISSING",
      `${what}: no JetStream stream takes the subject, so nothing would confirm the message`,
    );
  }
  if (is("TimeoutError")) return new SinkFault("TIMEOUT", `${what} got no answer in time`);
  const isTls = /CERT|TLS|SSL|SELF_SIGNED/.test(String(code)) || /\btls\b/i.test(message);
  const reason = isTls ? "TLS_FAILED" : "CONNECTION_FAILED";
  return new SinkFault(reason, `${what}: the connection failed: ${String(code ?? name)}`, {
    cause: error,
  });
}

/** What an answer means for its row; a fault is one of the stream, not of the row. */
export function outcomeOfAnswer(answer: PublishAnswer): RowOutcome | SinkFault {
  if (answer.stream && !answer.error) return { kind: "delivered" };
  const { err_code: code, description = "no reason given" } = answer.error ?? {};
  const why = `the stream refused the message: ${description.slice(0, 200)} (${code ?? "no code"})`;
  if (code === MESSAGE_TOO_LARGE) return { kind: "reject", reason: "TOO_LARGE", why };
  return new SinkFault("NATS_ERROR", why);
}
