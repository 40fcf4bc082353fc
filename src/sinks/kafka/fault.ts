/** What errors of the Kafka client mean, by the codes of the protocol. */
import type { RequestOutcome } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";

/** What errors of the client carry: they hold others, by `errors` and `cause`. */
interface KafkaError extends Error {
  readonly code?: unknown;
  /** Name of the code that a broker answered. */
  readonly apiId?: unknown;
  readonly errors?: readonly KafkaError[];
  readonly cause?: KafkaError;
}

const TOO_LARGE = ["MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"];
const REFUSED = ["INVALID_RECORD", "CORRUPT_MESSAGE", "INVALID_TIMESTAMP"];
const DENIED = /AUTHORIZATION_FAILED$/;
const TLS = /CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO|EPROTO/;
const NESTED_MAX = 100;

/** All errors within one, itself first. */
function within(error: unknown): KafkaError[] {
  const found = [error as KafkaError];
  for (let i = 0; i < found.length && found.length < NESTED_MAX; i++) {
    const { errors, cause } = found[i]!;
    found.push(...(errors ?? []));
    if (cause) found.push(cause);
  }
  return found;
}

/** Whether brokers refused messages because they are too many bytes at once. */
export function isTooLarge(error: unknown): boolean {
  return within(error).some(({ apiId }) => TOO_LARGE.includes(String(apiId)));
}

/** Whether brokers refused messages for what they are; gives the name of the code. */
export function refusalOf(error: unknown): string | undefined {
  const refusal = within(error).find(({ apiId }) => REFUSED.includes(String(apiId)));
  return refusal && String(refusal.apiId);
}

/** The fault of an error of the client; texts hold no secret. */
export function toKafkaFault(error: unknown, what: string): SinkFault {
  const all = within(error);
  const own = all.find((each) => each instanceof SinkFault);
  if (own) return own as unknown as SinkFault;
  const ids = all.flatMap(({ apiId }) => (typeof apiId === "string" ? [apiId] : []));
  const codes = all.map(({ code }) => String(code));
  const fault = (reason: string, why: string) =>
    new SinkFault(reason, `${what}: ${why}`, { cause: error });
  if (codes.includes("PLT_KFK_AUTHENTICATION")) {
    return fault("AUTHENTICATION_FAILED", "the brokers refused the login");
  }
  const denied = ids.find((id) => DENIED.test(id));
  if (denied) return fault("ACCESS_DENIED", `the brokers answered ${denied}`);
  // The client tells a missing topic as a fault of its user.
  if (ids.includes("UNKNOWN_TOPIC_OR_PARTITION") || codes[0] === "PLT_KFK_USER") {
    return fault("DESTINATION_MISSING", "there is no such topic, or this login may not see it");
  }
  if (ids.includes("THROTTLING_QUOTA_EXCEEDED")) return fault("THROTTLED", "the quota is used up");
  if (ids[0]) return fault("KAFKA_ERROR", `the brokers answered ${ids[0]}`);
  const tls = codes.find((code) => TLS.test(code));
  if (tls) return fault("TLS_FAILED", `the handshake failed: ${tls}`);
  if (codes.includes("PLT_KFK_TIMEOUT")) return fault("TIMEOUT", "no answer in time");
  const code = codes.findLast((each) => /^E[A-Z]+$/.test(each)) ?? codes[0] ?? "unknown";
  return fault("CONNECTION_FAILED", `the connection failed: ${code}`);
}

/** The same request again; a quota burns no attempt. */
export function retryKafka({ reason, message: why }: SinkFault): RequestOutcome {
  const burnsAttempt = reason !== "THROTTLED";
  return { kind: "retry", scope: "sink", reason, why, burnsAttempt };
}
