import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  type Message,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { describe, expect, test } from "vitest";
import { Health } from "#gen/grpc/health/v1/health_pb.js";
import {
  type AccessRule,
  AccessRule_Operation,
  AccessRule_Role,
} from "#gen/tributary/access/v1/access_pb.js";
import { OWN_SERVICES } from "../../src/app/services.ts";
import { accessRules } from "../../src/auth/access-rules.ts";
import { createAuthorizer } from "../../src/auth/authorize.ts";
import { reasonOf } from "../../src/core/errors.ts";
import type { Principal } from "../../src/core/principal.ts";
import { createMemoryDefinitions } from "./support/memory-definitions.ts";

const services: readonly DescService[] = OWN_SERVICES;
const rules = accessRules(services);
const OPERATIONS = ["api:use-streams-read", "api:use-streams-write", "api:use-streams-manage"];
const definitions = createMemoryDefinitions();
const authorizer = createAuthorizer({ definitions, rules });

function caller(clientId: string, project: string, role: AccessRule_Role, operations = OPERATIONS) {
  definitions.putApplication({ clientId, project, operations: OPERATIONS });
  definitions.grant(clientId, "projects/demo", role);
  const principal: Principal = {
    kind: "application",
    credential: "access-token",
    id: clientId,
    projectUid: `uid-${project}`,
    operations: new Set(operations),
    tokenId: clientId,
    expiresAtMs: Number.POSITIVE_INFINITY,
  };
  return principal;
}

/** Somebody without a role. */
function person(uid: string): Principal {
  return {
    kind: "person",
    credential: "session",
    id: `person:${uid}`,
    tokenId: uid,
    expiresAtMs: Number.POSITIVE_INFINITY,
  };
}

const callers = {
  stranger: caller("stranger", "other", 0),
  ungranted: caller("ungranted", "demo", 0),
  viewer: caller("viewer", "demo", AccessRule_Role.VIEWER),
  editor: caller("editor", "demo", AccessRule_Role.EDITOR),
  owner: caller("owner", "demo", AccessRule_Role.OWNER),
  person: person("ada"),
  idle: caller("idle", "demo", AccessRule_Role.OWNER, []),
};

/** A request that names a resource of the project demo at the rule's path. */
function requestOf(method: DescMethod, rule: AccessRule): Message {
  const message = create(method.input);
  if (rule.resource !== "") setField(method.input, message, rule.resource.split("."));
  return message;
}

function setField(schema: DescMessage, message: Message, [part, ...rest]: string[]): void {
  const at = reflect(schema, message);
  const field = at.fields.find((f) => f.name === part)!;
  if (field.fieldKind !== "message") at.set(field, "projects/demo/streams/s");
  else {
    const inner = create(field.message);
    setField(field.message, inner, rest);
    at.set(field, reflect(field.message, inner));
  }
}

/** What the caller gets: the reason of the refusal, or OK. */
function outcome(principal: Principal | undefined, method: DescMethod, rule: AccessRule): string {
  try {
    authorizer.authorizeCall(principal, method, requestOf(method, rule));
    return "OK";
  } catch (error) {
    return reasonOf(error) ?? String(error);
  }
}

function expectedOf(name: string, { operation, role, resource, people }: AccessRule): string {
  if (operation === AccessRule_Operation.PUBLIC) return "OK";
  if (name === "nobody") return "TOKEN_MISSING";
  if (name === "idle") return "OPERATION_MISSING";
  const roles: Record<string, number> = { viewer: 1, editor: 2, owner: 3 };
  if (role <= (roles[name] ?? 0) || (people && name === "person")) return "OK";
  return /stranger|person/.test(name) && resource !== "" ? "RESOURCE_NOT_FOUND" : "ROLE_MISSING";
}

describe("check 2: who may call what, for every rpc by its descriptor", () => {
  for (const [method, rule] of rules) {
    const operation = AccessRule_Operation[rule.operation];
    const role = rule.role === 0 ? "" : `, ${AccessRule_Role[rule.role]} on ${rule.resource}`;
    test(`${method.parent.name}/${method.name}: ${operation}${role}`, () => {
      const all = { nobody: undefined, ...callers };
      for (const [name, principal] of Object.entries(all)) {
        expect([name, outcome(principal, method, rule)]).toEqual([name, expectedOf(name, rule)]);
      }
    });
  }
});

test("every rpc has a rule, and one that only reads needs no more than READ", () => {
  expect(rules.size).toBe(services.flatMap((s) => s.methods).length);
  for (const [method, { operation, role }] of rules) {
    const isOperators = role === AccessRule_Role.OPERATOR;
    // Not for viewers: who is told of alerts, and at which address; what only editors can bring back.
    const isForEditors = ["GetAlertSettings", "ListDeleted"].includes(method.name);
    if (operation === AccessRule_Operation.READ && !isOperators && !isForEditors)
      expect([method.name, role]).toEqual([method.name, Math.min(role, AccessRule_Role.VIEWER)]);
    if (/^(Create|Update|Delete|Rotate)/.test(method.name)) {
      expect([method.name, operation]).toEqual([method.name, AccessRule_Operation.MANAGE]);
      // What is the caller's own needs no role; tokens look at their owners themselves.
      const isOwn = /Me$|Session$|Token$/.test(method.name);
      expect(role).toBeGreaterThanOrEqual(isOwn ? 0 : AccessRule_Role.EDITOR);
    }
  }
});

test("a service whose rpcs have no rule is refused at start, with each of them named", () => {
  expect(() => accessRules([Health])).toThrow(/Health\/Check: no rule; .*Health\/Watch/);
});
