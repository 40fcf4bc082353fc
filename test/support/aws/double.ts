/**
 * A small double of AWS: speaks the JSON protocol of SQS and Kinesis and the query protocol of STS,
 * enforces the limits that AWS publishes, and fails as it is told to.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { answerSts } from "./sts.ts";

/** An error that a service answers. */
export class AwsRefusal extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** Access key ids with a meaning; every other one may do everything. */
export const DENIED_KEY = "AKIADENIED";
export const UNKNOWN_KEY = "AKIAUNKNOWN";

/** Handles one action of a service; throws AwsRefusal. */
export type Action = (input: never, request: { readonly keyId: string }) => unknown;

/** The server. */
export interface AwsDouble {
  readonly url: string;
  /** Calls so far, by action. */
  readonly calls: string[];
  /** Set to fail whole calls: gives the error of a call, or undefined. */
  refuse: (action: string) => AwsRefusal | undefined;
  /** Whether nothing is answered. */
  isHanging: boolean;
  close(): Promise<void>;
}

/** What else the server answers, such as S3. */
export type Fallback = (
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
) => boolean;

/** Starts it with actions by their targets, `AmazonSQS.SendMessageBatch`. */
export async function startAwsDouble(
  actions: Readonly<Record<string, Action>>,
  fallback: Fallback = () => false,
): Promise<AwsDouble> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (double.isHanging) return;
    const body = Buffer.concat(chunks);
    const target = `${request.headers["x-amz-target"] ?? ""}`;
    const keyId = /Credential=([^/]+)\//.exec(request.headers.authorization ?? "")?.[1] ?? "";
    const send = (status: number, value: unknown, headers = {}) =>
      response
        .writeHead(status, { "content-type": "application/x-amz-json-1.1", ...headers })
        .end(JSON.stringify(value));
    try {
      if (target !== "") double.calls.push(target.split(".")[1]!);
      if (target === "" && body.includes("Version=2011-06-15")) {
        return answerSts(response, new URLSearchParams(body.toString()), keyId);
      }
      if (target === "" && keyId === DENIED_KEY) {
        const text = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
        return response.writeHead(403, { "content-type": "application/xml" }).end(text);
      }
      if (target === "" && fallback(request, response, body)) return;
      if (keyId === UNKNOWN_KEY) {
        throw new AwsRefusal("UnrecognizedClientException", "The security token is invalid.", 403);
      }
      if (keyId === DENIED_KEY) {
        throw new AwsRefusal("AccessDeniedException", `User may not perform: ${target}`, 403);
      }
      const refusal = double.refuse(target.split(".")[1] ?? "");
      if (refusal) throw refusal;
      const action = actions[target];
      if (!action) throw new AwsRefusal("UnknownOperationException", target, 404);
      send(200, action(JSON.parse(body.toString()) as never, { keyId }));
    } catch (error) {
      if (!(error instanceof AwsRefusal)) throw error;
      send(error.status, { __type: error.code, message: error.message });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const double: AwsDouble = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls: [],
    refuse: () => undefined,
    isHanging: false,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return double;
}
