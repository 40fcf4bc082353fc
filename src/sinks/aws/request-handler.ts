/** How clients of AWS reach the network: through the egress guard, with bounded answers. */
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { isIP } from "node:net";
import { Readable } from "node:stream";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { isRecordingExchanges, noteExchange } from "../../core/exchange.ts";
import { createEgressGuard, type EgressPolicy } from "../egress.ts";
import { SinkFault } from "../sink-fault.ts";

/** Connections that one sink keeps; more requests than these wait. */
const CONNECTIONS_MAX = 16;
/** No answer that we ask for comes near this. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

type Handle = NodeHttpHandler["handle"];
type HttpRequest = Parameters<Handle>[0];
type HttpResponse = Awaited<ReturnType<Handle>>["response"];

/** What the clients of one sink send with; `destroy` closes its connections. */
export type AwsRequestHandler = Pick<
  NodeHttpHandler,
  "handle" | "destroy" | "updateHttpClientConfig" | "httpHandlerConfigs" | "metadata"
>;

/** How answers are read. */
export interface AnswerOptions {
  /** The most that an answer may have; 4 MiB. */
  readonly bytesMax?: number;
  /** Whether clients take answers as streams, as those of S3 do. */
  readonly isStream?: boolean;
}

/** Makes the handler of a sink. Time is bounded by the signal of each call. */
export function createRequestHandler(
  policy: EgressPolicy,
  { bytesMax = ANSWER_BYTES_MAX, isStream = false }: AnswerOptions = {},
): AwsRequestHandler {
  const guard = createEgressGuard(policy);
  const options = {
    keepAlive: true,
    maxSockets: CONNECTIONS_MAX,
    maxFreeSockets: 4,
    lookup: guard.lookup,
    noDelay: true,
  };
  const inner = new NodeHttpHandler({
    httpAgent: new HttpAgent(options),
    httpsAgent: new HttpsAgent(options),
    socketAcquisitionWarningTimeout: 24 * 3600 * 1000,
  });
  const handle: Handle = async (request, handlerOptions) => {
    // Node asks no resolver for IP literals.
    const literal = request.hostname.replace(/^\[|\]$/g, "");
    if (isIP(literal)) await guard.resolve(literal);
    try {
      const { response } = await inner.handle(request, handlerOptions);
      if (response.body) response.body = await readBody(response.body, bytesMax);
      note(request, response);
      if (isStream && response.body) response.body = Readable.from([response.body]);
      return { response };
    } catch (error) {
      note(request);
      throw error;
    }
  };
  return {
    metadata: inner.metadata,
    handle,
    destroy: () => inner.destroy(),
    updateHttpClientConfig: (key, value) => inner.updateHttpClientConfig(key, value),
    httpHandlerConfigs: () => inner.httpHandlerConfigs(),
  };
}

function note(request: HttpRequest, response?: HttpResponse): void {
  if (!isRecordingExchanges()) return;
  const { method, protocol, hostname, port, path, headers } = request;
  const body: unknown = request.body;
  const answer = response && {
    status: response.statusCode,
    headers: response.headers,
    body: response.body instanceof Uint8Array ? response.body : EMPTY,
  };
  noteExchange({
    method,
    url: `${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}`,
    requestHeaders: headers,
    requestBody:
      typeof body === "string" ? Buffer.from(body) : body instanceof Uint8Array ? body : EMPTY,
    ...(answer && { answer }),
  });
}

const EMPTY = new Uint8Array();

async function readBody(body: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > bytesMax) {
      const why = `the service answered more than ${bytesMax >> 20} MiB`;
      throw new SinkFault("ANSWER_TOO_LARGE", why);
    }
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
