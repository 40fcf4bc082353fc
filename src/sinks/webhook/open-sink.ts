import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { WebhookSink } from "#gen/tributary/management/v1/sink_pb.js";
import { createEgressGuard, type EgressGuard } from "../egress.ts";
import { createGuardedFetch } from "../guarded-fetch.ts";
import type { BodyTemplates, OpenSink, RequestOutcome, SinkEnvironment, SinkRow } from "../sink.ts";
import { retrySink, SinkFault } from "../sink-fault.ts";
import { createTokenSource } from "../token-source.ts";
import { BodyFault, createBodyMaker, outcomeOfBodyFault } from "./body.ts";
import { type Endpoint, parseEndpoint, redact } from "./endpoint.ts";
import { outcomeOf } from "./outcome.ts";
import { type Answer, post } from "./post.ts";
import { createPostConnections } from "./post-connections.ts";
import { type SignedRequest, signerOf, signWebhook, type WebhookSigner } from "./signature.ts";

const ID_HEADER_BYTES_MAX = 4096;
const METHODS = ["POST", "POST", "PUT", "PATCH"] as const;

/** Parts of a webhook that tests replace. */
export interface WebhookParts {
  readonly guard: EgressGuard;
  readonly nowMs: () => number;
  readonly templates?: BodyTemplates | undefined;
}

/** What is sent at once. */
export interface WebhookRequest {
  readonly id: string;
  readonly rows: readonly SinkRow[];
  readonly isTest?: boolean;
  /** Whether the records are delivered again by request: the header `tributary-replay` says so. */
  readonly isReplay?: boolean;
}

/** A webhook that can be posted to. */
export interface WebhookClient {
  /** Sends rows under an id; throws SinkFault when no answer came. Texts are free of secrets. */
  send(input: WebhookRequest, signal: AbortSignal): Promise<Answer>;
  close(): void;
}

/** Opens a webhook; nothing is connected before the first request. */
export async function openWebhook(
  config: WebhookSink,
  env: SinkEnvironment,
  parts: Partial<WebhookParts> = {},
): Promise<OpenSink> {
  const nowMs = parts.nowMs ?? Date.now;
  const client = createWebhookClient(config, {
    guard: parts.guard ?? createEgressGuard(env),
    nowMs,
    templates: env.templates,
  });
  const write: OpenSink["write"] = async (request, signal): Promise<RequestOutcome> => {
    try {
      const { id, rows, isReplay } = request;
      const answer = await client.send({ id, rows, isReplay }, signal);
      return outcomeOf(answer, { rows: request.rows.length, nowMs: nowMs() });
    } catch (error) {
      if (error instanceof BodyFault) return outcomeOfBodyFault(error, request.rows.length);
      if (!(error instanceof SinkFault)) throw error;
      return retrySink(error.reason, error.message);
    }
  };
  return { write, close: async () => client.close() };
}

/** Makes the client of an endpoint. */
export function createWebhookClient(config: WebhookSink, parts: WebhookParts): WebhookClient {
  const endpoint = parseEndpoint(config);
  if (typeof endpoint === "string") throw new SinkFault("URL_INVALID", `url ${endpoint}`);
  const { guard, nowMs } = parts;
  const signersAt = createSigners(config);
  const makeBody = createBodyMaker(config, parts.templates);
  const connections = createPostConnections({
    url: endpoint.url,
    guard,
    certificate: config.clientCertificate,
    key: config.clientKey,
    authority: config.certificateAuthority,
  });
  const { clientCredentials } = config;
  const tokens =
    clientCredentials && createTokenSource(clientCredentials, createGuardedFetch(guard), nowMs);
  return {
    async send({ id, rows, isTest, isReplay }, signal) {
      const body = await makeBody(rows, signal);
      const timestamp = Math.floor(nowMs() / 1000);
      const headers = {
        ...headersOf(config, endpoint, { id, timestamp }),
        ...idHeader(rows),
        ...(isTest && { "tributary-test": "1" }),
        ...(isReplay && { "tributary-replay": "1" }),
        ...signatureHeader(signersAt(nowMs()), { id, timestamp, body }),
      };
      const base = { url: endpoint.url, body, connections, method: METHODS[config.method] };
      const attempt = async (token?: string) => {
        const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
        const request = { ...base, headers: { ...headers, ...authorization } };
        const answer = await post({ ...request, isTextNeeded: isTest === true }, signal);
        const secrets = token === undefined ? endpoint.secrets : [...endpoint.secrets, token];
        return { ...answer, text: redact(answer.text, secrets) };
      };
      if (!tokens) return attempt();
      const token = await tokens.get(signal);
      const answer = await attempt(token);
      if (answer.status !== 401) return answer;
      tokens.refused(token);
      return attempt(await tokens.get(signal));
    },
    close: () => connections.close(),
  };
}

/** The secret, and the one before it until its time ends. */
function createSigners(config: WebhookSink): (nowMs: number) => readonly WebhookSigner[] {
  const signer = signerOf(config.signingSecret);
  const previous = signerOf(config.previousSigningSecret);
  const endTime = config.previousSecretEndTime;
  const endMs = endTime ? timestampMs(endTime) : 0;
  const alone = signer ? [signer] : [];
  const both = previous ? [...alone, previous] : alone;
  return (nowMs) => (nowMs < endMs ? both : alone);
}

function signatureHeader(signers: readonly WebhookSigner[], request: SignedRequest) {
  return signers.length > 0 ? { "webhook-signature": signWebhook(signers, request) } : {};
}

function headersOf(
  config: WebhookSink,
  endpoint: Endpoint,
  { id, timestamp }: { id: string; timestamp: number },
): Record<string, string> {
  return {
    ...config.headers,
    ...(endpoint.authorization && { authorization: endpoint.authorization }),
    "content-type": "application/json",
    "user-agent": "tributary/1",
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
  };
}

/** Ids of the records in order, for receivers that drop repeats; left out when they are too many. */
function idHeader(rows: readonly SinkRow[]): Record<string, string> {
  const ids = rows.map((row) => row.recordId).join(",");
  return ids === "" || ids.length > ID_HEADER_BYTES_MAX ? {} : { "tributary-record-ids": ids };
}
