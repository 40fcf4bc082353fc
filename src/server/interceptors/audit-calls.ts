/** Tells the audit log of every call that changes something, and of those that access control refuses. */
import {
  create,
  type DescMethod,
  getOption,
  hasOption,
  type JsonObject,
  type Message,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, createContextKey, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { rule as ruleOption } from "#gen/tributary/access/v1/access_pb.js";
import type { AuditEntry } from "../../audit/audit-entry.ts";
import type { AuditIntent, AuditLog } from "../../audit/audit-log.ts";
import { redactMessage } from "../../audit/redact.ts";
import { readField } from "../../auth/access-rules.ts";
import { runAsAuthor } from "../../core/author.ts";
import { type Call, callKey } from "../../core/call.ts";
import { reasonOf } from "../../core/errors.ts";
import { principalKey } from "../../core/principal.ts";
import { asPublicError } from "../answer.ts";

/** What the call's handler finds out for the audit log. */
interface AuditDraft {
  before?: JsonObject;
  intent?: AuditIntent;
  /** Announces the change; fails when that cannot be written. */
  readonly begin: () => Promise<void>;
}

/** The handler of an rpc. */
type RunCall = (request: Message, context: HandlerContext) => unknown;

const draftKey = createContextKey<AuditDraft | undefined>(undefined);

/**
 * Services whose calls change much and often: what they take is counted (UsageService) and kept with
 * its origin. Their refusals are noted all the same.
 */
const COUNTED_SERVICES = ["tributary.push.v1.PushService"];
/** Changes nothing that lasts, and comes thousands of times a second. */
const COUNTED_METHODS = ["tributary.oauth2.v1.OAuth2Service/IssueToken"];

/** Full name of an rpc, as events have it. */
export function fullNameOf(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

/** Whether each call of an rpc is an event. */
export function isAudited(method: DescMethod): boolean {
  return (
    method.parent.typeName.startsWith("tributary.") &&
    method.idempotency !== MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS &&
    !COUNTED_SERVICES.includes(method.parent.typeName) &&
    !COUNTED_METHODS.includes(fullNameOf(method))
  );
}

/** Whether a request only asks what its call would do: `validate_only`, which changes nothing. */
function isOnlyCheck(method: DescMethod, request: Message): boolean {
  const field = method.input.fields.find(({ name }) => name === "validate_only");
  return field !== undefined && reflect(method.input, request, false).get(field) === true;
}

/** After these nobody knows what a call has changed; all others say that it changed nothing. */
const DOUBTFUL_CODES = [
  Code.Canceled,
  Code.Unknown,
  Code.DeadlineExceeded,
  Code.Internal,
  Code.Unavailable,
  Code.DataLoss,
];

/** Runs outside of validation and authorisation, so that it sees what they refuse. */
export function auditCalls(audit: AuditLog): Interceptor {
  return (next) => async (request) => {
    const { method, contextValues } = request;
    if (request.stream) return await next(request);
    const entry = (): Omit<AuditEntry, "code"> => ({
      ...originOf(contextValues.get(callKey)),
      principal: contextValues.get(principalKey),
      method: fullNameOf(method),
      resource: nameIn(method, request.message),
      before: draft.before,
    });
    const asked = () => redactMessage(method.input, request.message);
    const draft: AuditDraft = {
      async begin() {
        draft.intent = await audit.begin({ ...entry(), request: asked() });
      },
    };
    contextValues.set(draftKey, draft);
    const isChange = isAudited(method) && !isOnlyCheck(method, request.message);
    try {
      const response = await next(request);
      if (response.stream || !isChange) return response;
      const made = resourceIn(method, response.message);
      const event: AuditEntry = {
        ...entry(),
        ...(made === undefined
          ? { request: asked() }
          : { resource: made.name || nameIn(method, request.message) }),
        after: redactMessage(method.output, response.message),
        code: "ok",
      };
      await audit.record(event, draft.intent);
      return response;
    } catch (reason) {
      const error = asPublicError(reason);
      const refusal = { ...entry(), code: codeToString(error.code), reason: reasonOf(error) };
      await noteFault(audit, draft.intent, { refusal, error, isChange });
      throw reason;
    }
  };
}

/** A change that failed in doubt is an event like one that was made; a refusal is only noted. */
async function noteFault(
  audit: AuditLog,
  intent: AuditIntent | undefined,
  fault: { refusal: AuditEntry; error: { readonly code: Code }; isChange: boolean },
): Promise<void> {
  const { refusal, error } = fault;
  if (intent && DOUBTFUL_CODES.includes(error.code)) {
    // What cannot be written stays announced.
    await audit.record(refusal, intent).catch(() => undefined);
    return;
  }
  if (intent) await audit.dismiss(intent);
  if (fault.isChange || isRefusal(error.code)) audit.noteRefusal(refusal);
}

/** What is known of a call that was refused before its message was read. */
export function refusedEntry(
  method: DescMethod,
  call: Call | undefined,
  reason: unknown,
): AuditEntry {
  const error = asPublicError(reason);
  return {
    ...originOf(call),
    method: fullNameOf(method),
    resource: "",
    code: codeToString(error.code),
    reason: reasonOf(error),
  };
}

/**
 * The handler of an rpc that changes something: it first reads, with the service's own Get rpc, what
 * it is about to change, and announces the change.
 */
export function announcing(method: DescMethod, implementation: object, run: RunCall): RunCall {
  if (!isAudited(method) || method.methodKind !== "unary") return run;
  const get = getterOf(method);
  const read = get && (implementation as Record<string, unknown>)[get.localName];
  return async (request, context) => {
    if (isOnlyCheck(method, request)) return await run(request, context);
    const draft = context.values.get(draftKey);
    const name = nameIn(method, request);
    if (draft && name && get && typeof read === "function") {
      const found = await Promise.resolve(read.call(implementation, { name }, context)).catch(
        () => undefined,
      );
      // What does not exist has no state before; the call itself says so.
      if (found) draft.before = redactMessage(get.output, create(get.output, found));
    }
    await draft?.begin();
    const author = context.values.get(principalKey)?.id ?? "";
    return await runAsAuthor(author, async () => await run(request, context));
  };
}

/** `GetSink` for `PauseSink`; none for what makes things. */
function getterOf(method: DescMethod): DescMethod | undefined {
  if (method.name.startsWith("Create")) return undefined;
  const fits = (each: DescMethod) =>
    /^Get./.test(each.name) &&
    each.methodKind === "unary" &&
    each.input.fields.some((field) => field.name === "name") &&
    method.name.includes(each.name.slice(3));
  const getters = method.parent.methods.filter(fits);
  return getters.sort((a, b) => b.name.length - a.name.length)[0];
}

/** The resource that a request names, by its rpc's access rule. */
function nameIn(method: DescMethod, request: Message): string {
  if (!hasOption(method, ruleOption)) return "";
  const { resource } = getOption(method, ruleOption);
  return resource === "" ? "" : readField(method.input, request, resource);
}

/** The resource in an answer, with its name if it has one; undefined when the answer holds none. */
function resourceIn(method: DescMethod, response: Message): { name: string } | undefined {
  const message = reflect(method.output, response, false);
  for (const field of message.fields) {
    if (field.fieldKind !== "message" || !message.isSet(field)) continue;
    const resource = message.get(field);
    const name = resource.desc.fields.find((each) => each.name === "name");
    const value = name?.fieldKind === "scalar" ? resource.get(name) : "";
    return { name: typeof value === "string" ? value : "" };
  }
  return undefined;
}

function originOf(call: Call | undefined): Pick<AuditEntry, "address" | "requestId"> {
  return { address: call?.remoteAddress, requestId: call?.requestId };
}

function isRefusal(code: Code): boolean {
  return code === Code.Unauthenticated || code === Code.PermissionDenied;
}
