/** Everything that the port serves, in order: lanes, plain routes, the REST face, rpcs, 404. */
import { Health } from "#gen/grpc/health/v1/health_pb.js";
import { fail } from "../core/errors.ts";
import { methodNotAllowed, routeNotFound, setSecurityHeaders } from "./answer.ts";
import type { Console } from "./console.ts";
import { createHealthService } from "./health.ts";
import { type HttpHandler, pathOf } from "./http-message.ts";
import { RPC_LIMITS } from "./limits.ts";
import { openApiRoute } from "./openapi/document.ts";
import { findMissing, probeRoutes, type ReadinessCheck } from "./probes.ts";
import { registerReflection } from "./reflection.ts";
import { findRoute, type Lane, type Route } from "./route.ts";
import { createRpcHandlers, type RpcHandlers, type RpcOptions } from "./rpc.ts";
import { createTranscoder } from "./transcoder/transcoder.ts";
import { welcomeRoute } from "./welcome.ts";

/** What the server handler is made of. */
export interface ServerHandlerOptions extends Omit<RpcOptions, "drainSignal"> {
  /** Asked first, in order. */
  readonly lanes?: readonly Lane[];
  readonly routes?: readonly Route[];
  /** What `/readyz` and grpc.health.v1 look at. */
  readonly checks?: readonly ReadinessCheck[];
  /** Version and address that `/openapi.json` names. */
  readonly version?: string;
  readonly publicUrl?: string | undefined;
  /** Answers browsers on paths that nothing else serves, and at `/`. */
  readonly console?: Console | undefined;
}

/** The handler of the port. */
export interface ServerHandler {
  readonly handle: HttpHandler;
  /** The lanes alone, one after the other. */
  readonly lane: Lane;
  readonly rpc: RpcHandlers;
  /** Ends calls that stream, and makes the server not ready; for the port's `onDrain`. */
  readonly drain: () => void;
}

/** Wires the handler, in production as in tests. Throws when an rpc has no access rule. */
export function createServerHandler(options: ServerHandlerOptions): ServerHandler {
  const checks = options.checks ?? [];
  const draining = new AbortController();
  const isDraining = () => draining.signal.aborted;
  const rpc: RpcHandlers = createRpcHandlers({
    ...options,
    drainSignal: draining.signal,
    services: [
      ...options.services,
      (router) => {
        const isReady = async () => !isDraining() && (await findMissing(checks)).length === 0;
        router.service(Health, createHealthService({ services: () => rpc.services, isReady }));
      },
      registerReflection(() => rpc.services),
    ],
  });
  const routes = [
    welcomeRoute,
    ...probeRoutes(checks, isDraining),
    openApiRoute(() => ({
      services: rpc.services,
      version: options.version ?? "0",
      publicUrl: options.publicUrl,
    })),
    ...(options.routes ?? []),
  ];
  const lanes = options.lanes ?? [];
  const transcoder = createTranscoder(rpc, { ...RPC_LIMITS, ...options.limits });

  const lane: Lane = (request, response, call) => {
    for (const each of lanes) {
      const done = each(request, response, call);
      if (done) return done;
    }
    return undefined;
  };
  const handle: HttpHandler = (request, response, call) => {
    const done = lane(request, response, call);
    if (done) return done;
    setSecurityHeaders(response);
    const page = options.console?.find(request);
    if (page && pathOf(request) === "/") return page(request, response, call);
    const route = findRoute(routes, request);
    if (route.match) return route.match.handle(request, response, call);
    const binding = transcoder.find(request);
    if (binding.match) return transcoder.serve(binding.match, request, response, call);
    if (rpc.handlers.has(pathOf(request))) return rpc.serve(request, response, call);
    if (page) return page(request, response, call);
    const allowed = [...route.allowed, ...binding.allowed];
    throw allowed.length > 0 ? methodNotAllowed(allowed) : routeNotFound(request);
  };
  const drain = () => draining.abort(fail("SHUTTING_DOWN", "the server is shutting down"));
  return { handle, lane, rpc, drain };
}
