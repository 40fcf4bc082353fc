/** Answers that providers of webhooks ask for before they send. */
import type { Source } from "#gen/tributary/management/v1/source_pb.js";
import type { SourceTarget } from "./source-request.ts";

/** An answer that stores nothing. */
export interface ChallengeAnswer {
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
}

const ECHO_MAX = 1024;
const TEXT = { "content-type": "text/plain; charset=utf-8" };

/** The answer to a GET, POST or OPTIONS that asks for one; undefined when it does not. */
export function answerHead(
  { challenges }: Source,
  method: string,
  request: { readonly target: SourceTarget; readonly origin: string | undefined },
): ChallengeAnswer | undefined {
  if (!challenges) return undefined;
  const { echoParameter, cloudEvents } = challenges;
  if (cloudEvents && method === "OPTIONS" && isOrigin(request.origin)) {
    const headers = { "webhook-allowed-origin": request.origin, "webhook-allowed-rate": "*" };
    return { text: "", headers: { allow: "POST, OPTIONS", ...headers } };
  }
  if (echoParameter === "" || (method !== "GET" && method !== "POST")) return undefined;
  const text = new URLSearchParams(request.target.query).get(echoParameter);
  if (text === null || text === "" || text.length > ECHO_MAX) return undefined;
  return { text, headers: TEXT };
}

/** The answer to Slack's question whether we are there, in a body whose signature was right. */
export function answerBody({ challenges }: Source, body: Uint8Array): ChallengeAnswer | undefined {
  if (!challenges?.slackUrlVerification || body.length > 8 * ECHO_MAX) return undefined;
  try {
    const { type, challenge } = JSON.parse(Buffer.from(body).toString("utf8")) ?? {};
    if (type !== "url_verification" || typeof challenge !== "string") return undefined;
    return challenge.length > ECHO_MAX ? undefined : { text: challenge, headers: TEXT };
  } catch {
    return undefined;
  }
}

function isOrigin(text: string | undefined): text is string {
  return text !== undefined && /^[A-Za-z0-9.*_-]{1,253}$/.test(text);
}
