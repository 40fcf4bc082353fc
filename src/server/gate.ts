/** Who may call what: the two halves of access control that the server asks for. */
import type { DescMethod, DescService, Message } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, Interceptor } from "@connectrpc/connect";
import { type AccessRule, AccessRule_Operation } from "#gen/tributary/access/v1/access_pb.js";
import type { AuditLog } from "../audit/audit-log.ts";
import { accessRules } from "../auth/access-rules.ts";
import { type Call, callKey } from "../core/call.ts";
import type { Logger } from "../core/logger.ts";
import { type Principal, principalKey } from "../core/principal.ts";
import { asPublicError, isServerFault, stampRequestId } from "./answer.ts";
import { refusedEntry } from "./interceptors/audit-calls.ts";

/** Access control, as the server needs it. Every method throws a `fail(…)` to refuse. */
export interface Gate {
  /** Who sends these headers, in which call. Runs before a byte of the body is read. */
  authenticate(
    headers: Headers,
    call?: Pick<Call, "method" | "url"> & { readonly isRead: boolean },
  ): Principal | Promise<Principal>;
  /** What can be told from the token alone; also before the body is read. */
  authorizeOperation(principal: Principal, rule: Pick<AccessRule, "operation">): void;
  /** Whether the call may be made on the resource that its message names. */
  authorizeCall(
    principal: Principal | undefined,
    method: DescMethod,
    message: Message,
  ): void | Promise<void>;
}

/** Services that anybody may call and that declare no rules, as their protos are not ours. */
const PUBLIC_PACKAGES = ["grpc.health.v1", "grpc.reflection.v1", "grpc.reflection.v1alpha"];

/** Reads the rules of all services; throws when an rpc of ours has none. */
export function rulesOf(
  services: readonly DescService[],
  exempt: readonly string[] = [],
): ReadonlyMap<DescMethod, AccessRule> {
  return accessRules(
    services.filter(
      (service) =>
        !PUBLIC_PACKAGES.includes(service.file.proto.package) && !exempt.includes(service.typeName),
    ),
  );
}

/** What `admit` works with. */
export interface AdmitOptions {
  readonly gate: Gate;
  readonly logger: Logger;
  readonly audit?: AuditLog | undefined;
}

/** Authenticates a call and leaves its principal in the context; a public rpc has none. */
export async function admit(
  { gate, logger, audit }: AdmitOptions,
  rule: AccessRule | undefined,
  context: HandlerContext,
): Promise<void> {
  if (!rule || rule.operation === AccessRule_Operation.PUBLIC) return;
  try {
    const call = context.values.get(callKey);
    const principal = await gate.authenticate(context.requestHeader, {
      method: call?.method ?? "",
      url: call?.url ?? "",
      isRead: context.method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS,
    });
    gate.authorizeOperation(principal, rule);
    context.values.set(principalKey, principal);
  } catch (reason) {
    const error = asPublicError(reason);
    const requestId = context.values.get(callKey)?.requestId;
    if (isServerFault(error)) logger.error("authentication failed", { requestId, error: reason });
    else audit?.noteRefusal(refusedEntry(context.method, context.values.get(callKey), error));
    if (requestId) stampRequestId(error, requestId);
    throw error;
  }
}

/** Asks the gate about every message of unary and server-streaming calls. */
export function authorizeCalls(
  gate: Gate,
  rules: ReadonlyMap<DescMethod, AccessRule>,
): Interceptor {
  return (next) => async (request) => {
    const rule = rules.get(request.method);
    if (!rule || rule.operation === AccessRule_Operation.PUBLIC) return next(request);
    const principal = request.contextValues.get(principalKey);
    if (!request.stream) {
      await gate.authorizeCall(principal, request.method, request.message);
      return next(request);
    }
    // Each request of a two-way stream is a call of its own, which its service authorises.
    if (request.method.methodKind !== "server_streaming") return next(request);
    const check = (message: Message) => gate.authorizeCall(principal, request.method, message);
    return next({ ...request, message: checkEach(request.message, check) });
  };
}

/** Passes messages on after a check that may throw. */
export async function* checkEach<M extends Message>(
  messages: AsyncIterable<M>,
  check: (message: M) => void | Promise<void>,
): AsyncIterable<M> {
  for await (const message of messages) {
    await check(message);
    yield message;
  }
}
