/** gRPC, gRPC-Web and Connect: generated services with one chain of interceptors around them. */
import { createRegistry, type DescMethod, type DescService } from "@bufbuild/protobuf";
import {
  type ConnectRouter,
  createConnectRouter,
  createContextValues,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import type { UniversalHandler, UniversalHandlerOptions } from "@connectrpc/connect/protocol";
import {
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import type { AccessRule } from "#gen/tributary/access/v1/access_pb.js";
import { PushService } from "#gen/tributary/push/v1/push_service_pb.js";
import type { AuditLog } from "../audit/audit-log.ts";
import { callKey } from "../core/call.ts";
import { fail } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { straightAnswerKey } from "../core/straight-answer.ts";
import { pushTextDecoder } from "../ingest/push-text-decoder.ts";
import { contentTypeUnsupported, methodNotAllowed } from "./answer.ts";
import { COMPRESSIONS } from "./compression.ts";
import { admit, authorizeCalls, type Gate, rulesOf } from "./gate.ts";
import { bodyOf, type HttpHandler, pathOf } from "./http-message.ts";
import { announcing, auditCalls } from "./interceptors/audit-calls.ts";
import { limitTime } from "./interceptors/limit-time.ts";
import { logCalls } from "./interceptors/log-calls.ts";
import { validateRequests } from "./interceptors/validate.ts";
import { jsonTextDecoder } from "./json-text.ts";
import { RPC_LIMITS, type RpcLimits } from "./limits.ts";
import { carriesRecords, storedValueEncoder, storedValues } from "./lossless-json.ts";
import { mendParseFaults } from "./parse-faults.ts";
import { createStraightAnswer } from "./straight-answer.ts";

/** Registers services: `(router) => router.service(PushService, {…})`. */
export type Registration = (router: ConnectRouter) => void;

/** What the rpc half is made of. */
export interface RpcOptions {
  readonly services: readonly Registration[];
  readonly gate: Gate;
  readonly logger: Logger;
  /** Takes what is changed and refused; without it nothing is kept. */
  readonly audit?: AuditLog;
  /** Run after validation and authorisation, the first outermost. */
  readonly interceptors?: readonly Interceptor[];
  /** Names of services that need no access rules: tests of the protocol only. */
  readonly exemptServices?: readonly string[];
  readonly limits?: Partial<RpcLimits>;
  /** Ends calls that stream. */
  readonly drainSignal: AbortSignal;
  /** Monotonic milliseconds. */
  readonly nowMs?: () => number;
}

/** Rpc handlers by their paths. */
export interface RpcHandlers {
  readonly services: readonly DescService[];
  readonly handlers: ReadonlyMap<string, UniversalHandler>;
  /** Serves a request; only for paths in `handlers`. */
  readonly serve: HttpHandler;
}

/** Content types that a 415 names, by whether the rpc streams. */
const UNARY_TYPES = [
  "application/json",
  "application/proto",
  "application/grpc",
  "application/grpc-web",
];
const STREAM_TYPES = [
  "application/connect+json",
  "application/connect+proto",
  "application/grpc",
  "application/grpc-web",
];

/** Builds the handlers. Throws when an rpc has no access rule. */
export function createRpcHandlers(options: RpcOptions): RpcHandlers {
  const limits: RpcLimits = { ...RPC_LIMITS, ...options.limits };
  const services: DescService[] = [];
  const rules = new Map<DescMethod, AccessRule>();
  const router = createConnectRouter({
    acceptCompression: [...COMPRESSIONS],
    readMaxBytes: limits.readMaxBytes,
    writeMaxBytes: limits.writeMaxBytes,
    maxTimeoutMs: limits.timeoutMaxMs,
    interceptors: [
      logCalls(options.logger, options.nowMs ?? (() => performance.now())),
      ...(options.audit ? [auditCalls(options.audit)] : []),
      limitTime(limits.timeoutMaxMs),
      validateRequests,
      authorizeCalls(options.gate, rules),
      ...(options.interceptors ?? []),
      storedValues,
    ],
    requestGate: (context: HandlerContext) => {
      const rule = rules.get(context.method);
      mendParseFaults(context, !options.exemptServices?.includes(context.service.typeName));
      return admit(options, rule, context);
    },
  });
  const registrar = createRegistrar(router, services, options.drainSignal);
  for (const register of options.services) register(registrar);
  for (const [method, rule] of rulesOf(services, options.exemptServices)) rules.set(method, rule);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return { services, handlers, serve: (...args) => serve(handlers, ...args) };
}

/** A router that gives each rpc the options that its shape needs. */
function createRegistrar(
  router: ConnectRouter,
  services: DescService[],
  drainSignal: AbortSignal,
): ConnectRouter {
  const registrar: ConnectRouter = {
    handlers: router.handlers,
    service(service, implementation, serviceOptions) {
      services.push(service);
      for (const method of service.methods) {
        const given = (implementation as Record<string, unknown>)[method.localName];
        const run =
          typeof given === "function" ? given.bind(implementation) : notImplemented(method);
        const handle = announcing(method, implementation, run as never);
        router.rpc(method, handle as never, {
          ...optionsOf(method, drainSignal),
          ...serviceOptions,
        });
      }
      return registrar;
    },
    rpc() {
      throw new Error("register whole services: their access rules are read from them");
    },
  };
  return registrar;
}

/** Keeps the bytes of pushed records. */
const pushJsonDecoder = pushTextDecoder(jsonTextDecoder);

function optionsOf(method: DescMethod, drainSignal: AbortSignal): Partial<UniversalHandlerOptions> {
  const jsonOptions = {
    // For google.protobuf.Any.
    registry: createRegistry(method.parent.file),
    ignoreUnknownFields: false,
    textDecoder: method.parent === PushService ? pushJsonDecoder : jsonTextDecoder,
    ...(carriesRecords(method) && { textEncoder: storedValueEncoder }),
  };
  return {
    jsonOptions,
    ...(method.methodKind !== "unary" && { shutdownSignal: drainSignal }),
  };
}

function notImplemented(method: DescMethod): () => never {
  return () => {
    throw fail("NOT_IMPLEMENTED", `${method.parent.typeName}/${method.name} is not served here`);
  };
}

async function serve(
  handlers: ReadonlyMap<string, UniversalHandler>,
  ...[request, response, call]: Parameters<HttpHandler>
): Promise<void> {
  const handler = handlers.get(pathOf(request));
  if (!handler) throw new Error("no rpc at this path");
  const { methodKind } = handler.method;
  const contentType = request.headers["content-type"];
  const wanted = methodKind === "unary" ? UNARY_TYPES : STREAM_TYPES;
  if (!handler.allowedMethods.includes(request.method ?? "")) {
    throw methodNotAllowed(handler.allowedMethods);
  }
  if (request.method === "POST" && !handler.supportedContentType(contentType ?? "")) {
    throw contentTypeUnsupported(contentType, wanted);
  }
  if (methodKind === "client_streaming" || methodKind === "bidi_streaming") call.receiveSlowly();
  const contextValues = createContextValues().set(callKey, call);
  if (methodKind === "server_streaming") {
    contextValues.set(straightAnswerKey, createStraightAnswer(request, response));
  }
  const message = universalRequestFromNodeRequest(request, response, undefined, contextValues);
  const answer = await handler({ ...message, body: bodyOf(request) });
  if (answer.status === 415) throw contentTypeUnsupported(contentType, wanted);
  await universalResponseToNodeResponse(answer, response);
}
