import { beforeEach, describe, expect, test } from "vitest";
import { AccessRule_Operation, AccessRule_Role } from "#gen/tributary/access/v1/access_pb.js";
import { type Authorizer, createAuthorizer } from "../../src/auth/authorize.ts";
import { reasonOf } from "../../src/core/errors.ts";
import type { Principal } from "../../src/core/principal.ts";
import { createMemoryDefinitions, type MemoryDefinitions } from "./support/memory-definitions.ts";

const READ = {
  operation: AccessRule_Operation.READ,
  role: AccessRule_Role.VIEWER,
  resource: "name",
};
let definitions: MemoryDefinitions;
let authorizer: Authorizer;

function principal(clientId: string, project: string, operations?: string[]): Principal {
  const application = definitions.putApplication({
    clientId,
    project,
    operations: ["api:use-streams-read", "api:use-streams-write", "api:use-streams-manage"],
  });
  return {
    kind: "application",
    credential: "access-token",
    id: clientId,
    projectUid: application.projectUid,
    operations: new Set(operations ?? application.operations),
    tokenId: "t",
    expiresAtMs: Number.POSITIVE_INFINITY,
  };
}

function errorOf(work: () => void) {
  try {
    work();
  } catch (error) {
    return error as Error & { metadata: Headers };
  }
  return undefined;
}

beforeEach(() => {
  definitions = createMemoryDefinitions();
  authorizer = createAuthorizer({ definitions });
});

describe("F17: push", () => {
  test("is denied before sharing, allowed to an Editor, denied again after the grant is taken", () => {
    const caller = principal("a", "demo");
    const push = () => authorizer.authorizePush(caller, "projects/demo/streams/s");
    expect(reasonOf(errorOf(push))).toBe("ROLE_MISSING");
    definitions.grant("a", "projects/demo/streams/s", AccessRule_Role.EDITOR);
    push();
    push();
    definitions.grant("a", "projects/demo/streams/s", 0);
    expect(reasonOf(errorOf(push))).toBe("ROLE_MISSING");
  });

  test("is denied to a Viewer, also one of another project", () => {
    for (const project of ["demo", "other"]) {
      const caller = principal("a", project);
      definitions.grant("a", "projects/demo/streams/s", AccessRule_Role.VIEWER);
      const push = () => authorizer.authorizePush(caller, "projects/demo/streams/s");
      expect(reasonOf(errorOf(push))).toBe("ROLE_MISSING");
    }
  });

  test("a role on the project counts on its streams; one on a stream does not on others", () => {
    const caller = principal("a", "demo");
    definitions.grant("a", "projects/demo/streams/s", AccessRule_Role.EDITOR);
    const push = (name: string) => errorOf(() => authorizer.authorizePush(caller, name));
    expect(reasonOf(push("projects/demo/streams/s2"))).toBe("ROLE_MISSING");
    definitions.grant("a", "projects/demo", AccessRule_Role.EDITOR);
    expect(push("projects/demo/streams/s2")).toBeUndefined();
  });
});

test("F16, check 18: a token without the operation gets insufficient_scope, whatever its role", () => {
  const caller = principal("a", "demo", ["api:use-streams-read"]);
  definitions.grant("a", "projects/demo", AccessRule_Role.OWNER);
  const error = errorOf(() => authorizer.authorizePush(caller, "projects/demo/streams/s"));
  expect(reasonOf(error)).toBe("OPERATION_MISSING");
  expect(error?.metadata.get("www-authenticate")).toBe(
    'Bearer realm="tributary", error="insufficient_scope", scope="api:use-streams-write"',
  );
});

test("an operation taken from the application is taken from its live tokens too", () => {
  const caller = principal("a", "demo");
  definitions.grant("a", "projects/demo", AccessRule_Role.OWNER);
  authorizer.authorizePush(caller, "projects/demo/streams/s");
  definitions.putApplication({ clientId: "a", project: "demo", operations: [] });
  const error = errorOf(() => authorizer.authorizePush(caller, "projects/demo/streams/s"));
  expect(reasonOf(error)).toBe("OPERATION_MISSING");
});

describe("names of other projects are never confirmed", () => {
  test("check 2: a foreign name answers exactly as one that does not exist", () => {
    const caller = principal("a", "demo");
    definitions.grant("a", "projects/demo", AccessRule_Role.OWNER);
    const ask = (name: string) => errorOf(() => authorizer.authorizeRule(caller, READ, name));
    principal("b", "other");
    definitions.grant("b", "projects/other", AccessRule_Role.OWNER);
    const [real, missing] = [ask("projects/other"), ask("projects/nobody")];
    expect(reasonOf(real)).toBe("RESOURCE_NOT_FOUND");
    expect(real?.message.replaceAll("other", "x")).toBe(missing?.message.replaceAll("nobody", "x"));
  });

  test("a grant on one stream tells of its project, not of its other streams", () => {
    const caller = principal("a", "demo");
    definitions.grant("a", "projects/other/streams/shared", AccessRule_Role.VIEWER);
    const ask = (name: string) =>
      reasonOf(errorOf(() => authorizer.authorizeRule(caller, READ, name)));
    expect(ask("projects/other/streams/shared")).toBeUndefined();
    expect(ask("projects/other/streams/shared/sinks/k")).toBeUndefined();
    expect(ask("projects/other/streams/secret")).toBe("RESOURCE_NOT_FOUND");
    expect(ask("projects/other")).toBe("ROLE_MISSING");
  });

  test("a malformed name names the field", () => {
    const caller = principal("a", "demo");
    const names = ["", "x", "projects/", "projects/A", "projects/a.b", "projects/demo/streams"];
    for (const name of [...names, "projects/demo/streams/", "projects/demo/streams/*"]) {
      const error = errorOf(() => authorizer.authorizeRule(caller, READ, name));
      expect([name, reasonOf(error)]).toEqual([name, "INVALID_FIELDS"]);
      expect(error?.message).toContain("name: ");
    }
  });
});

test("an operator may do anything, and nobody else what needs one", () => {
  const rule = {
    operation: AccessRule_Operation.MANAGE,
    role: AccessRule_Role.OPERATOR,
    resource: "",
  };
  const caller = principal("a", "demo");
  definitions.grant("a", "projects/demo", AccessRule_Role.OWNER);
  const error = errorOf(() => authorizer.authorizeRule(caller, rule, ""));
  expect(reasonOf(error)).toBe("ROLE_MISSING");
  definitions.grant("a", "", AccessRule_Role.OPERATOR);
  authorizer.authorizeRule(caller, rule, "");
  authorizer.authorizePush(caller, "projects/other/streams/s");
});

describe("check 8: credentials that are narrower than who they stand for", () => {
  const person = (narrowing: object = {}): Principal => ({
    ...{ kind: "person", credential: "token", id: "person:ada", tokenId: "t" },
    expiresAtMs: Number.POSITIVE_INFINITY,
    ...narrowing,
  });
  const push = (caller: Principal, name = "projects/demo/streams/s") =>
    reasonOf(errorOf(() => authorizer.authorizePush(caller, name)));

  test("a session may do all that the person's roles allow, a personal token only its operations", () => {
    definitions.grant("person:ada", "projects/demo", AccessRule_Role.OWNER);
    expect(push(person())).toBeUndefined();
    const reading = { operations: new Set(["api:use-streams-read"]) };
    expect(push(person(reading))).toBe("OPERATION_MISSING");
  });

  test("a bound token touches what it is bound to and what is below it, whatever the roles", () => {
    definitions.grant("person:ada", "projects/demo", AccessRule_Role.OWNER);
    definitions.grant("person:ada", "", AccessRule_Role.OPERATOR);
    const bound = person({ boundTo: "projects/demo/streams/s" });
    expect(push(bound)).toBeUndefined();
    for (const name of ["projects/demo/streams/s2", "projects/other/streams/s"]) {
      expect(push(bound, name)).toMatch(/ROLE_MISSING|RESOURCE_NOT_FOUND/);
    }
    const read = (name: string) =>
      reasonOf(errorOf(() => authorizer.authorizeRule(bound, READ, name)));
    expect(read("projects/demo/streams/s/sinks/k")).toBeUndefined();
    expect(read("projects/demo")).toBe("ROLE_MISSING");
  });

  test("a service token has its own role, on what it is bound to", () => {
    const token: Principal = {
      ...{ kind: "token", credential: "token", id: "token:t", tokenId: "t", projectUid: "p" },
      operations: new Set(["api:use-streams-write"]),
      boundTo: "projects/demo/streams/s",
      role: AccessRule_Role.EDITOR,
      expiresAtMs: Number.POSITIVE_INFINITY,
    };
    expect(push(token)).toBeUndefined();
    expect(push(token, "projects/demo/streams/other")).toBe("ROLE_MISSING");
    expect(push(token, "projects/other/streams/s")).toBe("RESOURCE_NOT_FOUND");
    expect(push({ ...token, role: AccessRule_Role.VIEWER })).toBe("ROLE_MISSING");
  });
});

test("an allowed push is decided again in about a microsecond", () => {
  const caller = principal("a", "demo");
  definitions.grant("a", "projects/demo", AccessRule_Role.EDITOR);
  const push = (n: number) => {
    for (let i = 0; i < n; i++) authorizer.authorizePush(caller, "projects/demo/streams/s");
  };
  push(10_000);
  const start = performance.now();
  push(100_000);
  expect((performance.now() - start) / 100_000).toBeLessThan(0.005);
});
