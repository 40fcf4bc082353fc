/**
 * The REST face under /v1, made from google.api.http options. A REST call becomes a Connect JSON call
 * of the same rpc, so it passes the same gate, interceptors and service, and errors look the same.
 */
import { type Message, toJsonString } from "@bufbuild/protobuf";
import { ConnectError, createContextValues } from "@connectrpc/connect";
import { encodeEnvelope, type UniversalHandler } from "@connectrpc/connect/protocol";
import {
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import type { Call } from "../../core/call.ts";
import { callKey } from "../../core/call.ts";
import { fail } from "../../core/errors.ts";
import { contentTypeUnsupported, statusOf } from "../answer.ts";
import { compressionOf } from "../compression.ts";
import {
  bodyOf,
  type HttpRequest,
  type HttpResponse,
  isHttp2,
  pathOf,
  queryOf,
} from "../http-message.ts";
import type { RpcLimits } from "../limits.ts";
import type { Found } from "../route.ts";
import type { RpcHandlers } from "../rpc.ts";
import { type Binding, readBindings } from "./binding.ts";
import { sendLines } from "./ndjson.ts";
import { matchPath } from "./path-template.ts";
import { buildRequest } from "./request-message.ts";

/** A binding that fits a request, with what its path says. */
export interface BoundRequest {
  readonly binding: Binding;
  readonly path: ReadonlyMap<string, string>;
}

/** The REST face. */
export interface Transcoder {
  /** Finds the binding of a request. */
  readonly find: (request: HttpRequest) => Found<BoundRequest>;
  readonly serve: (
    bound: BoundRequest,
    request: HttpRequest,
    response: HttpResponse,
    call: Call,
  ) => Promise<void>;
}

const JSON_TYPE = /^application\/json(?:; ?charset=utf-?8)?$/i;

/** Makes the REST face of all services. Throws when an option cannot be served. */
export function createTranscoder(rpc: RpcHandlers, limits: RpcLimits): Transcoder {
  const bindings = readBindings(rpc.services);
  return {
    find(request) {
      const path = pathOf(request);
      const here = bindings.flatMap((binding) => {
        const values = matchPath(binding.template, path);
        return values ? [{ binding, path: values }] : [];
      });
      const match = here.find(({ binding }) => binding.httpMethod === request.method);
      if (match) return { match, allowed: [] };
      return { allowed: here.map(({ binding }) => binding.httpMethod) };
    },
    async serve(bound, request, response, call) {
      const { method } = bound.binding;
      const handler = rpc.handlers.get(`/${method.parent.typeName}/${method.name}`);
      if (!handler) throw new Error(`${method.name} has no handler`);
      if (bound.binding.body && hasBody(request)) {
        const contentType = request.headers["content-type"];
        if (!JSON_TYPE.test(contentType ?? "")) {
          throw contentTypeUnsupported(contentType, ["application/json"]);
        }
      }
      await dispatch(handler, { bound, request, response, call, limits });
    },
  };
}

interface Dispatch {
  readonly bound: BoundRequest;
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  readonly call: Call;
  readonly limits: RpcLimits;
}

async function dispatch(handler: UniversalHandler, options: Dispatch): Promise<void> {
  const { bound, request, response, call, limits } = options;
  const contextValues = createContextValues().set(callKey, call);
  const original = universalRequestFromNodeRequest(request, response, undefined, contextValues);
  const isStream = handler.method.methodKind === "server_streaming";
  let fault: ConnectError | undefined;
  // The handler reads this only after the gate let the call in.
  async function* body() {
    try {
      const bytes = await readBody(request, bound.binding, limits.readMaxBytes);
      const message: Message = buildRequest(bound.binding, {
        path: bound.path,
        query: queryOf(request),
        body: bytes,
      });
      const json = Buffer.from(toJsonString(handler.method.input, message));
      yield isStream ? encodeEnvelope(0, json) : json;
    } catch (error) {
      if (error instanceof ConnectError) fault = error;
      throw error;
    }
  }
  const header = new Headers(original.header);
  for (const name of ["content-length", "content-encoding", "transfer-encoding"]) {
    header.delete(name);
  }
  header.set("content-type", isStream ? "application/connect+json" : "application/json");
  const answer = await handler({ ...original, method: "POST", header, body: body() });
  if (isStream) {
    await sendLines(answer, response, limits.writeMaxBytes);
    return;
  }
  response.setHeader("cache-control", "no-store");
  response.setHeader("x-content-type-options", "nosniff");
  // REST says 413 where Connect says 429.
  const status = fault && answer.status >= 400 ? statusOf(fault) : answer.status;
  await universalResponseToNodeResponse({ ...answer, status }, response);
}

function hasBody(request: HttpRequest): boolean {
  if (request.headers["transfer-encoding"] !== undefined) return true;
  if (request.headers["content-length"] !== undefined) {
    return request.headers["content-length"] !== "0";
  }
  return isHttp2(request) && !request.stream.endAfterHeaders;
}

async function readBody(
  request: HttpRequest,
  binding: Binding,
  maxBytes: number,
): Promise<Uint8Array> {
  if (!binding.body) return new Uint8Array(0);
  const compression = compressionOf(request.headers["content-encoding"]);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of bodyOf(request)) {
    length += chunk.length;
    if (length > maxBytes) throw fail("TOO_LARGE", `a body takes at most ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  return compression ? compression.decompress(bytes, maxBytes) : bytes;
}
