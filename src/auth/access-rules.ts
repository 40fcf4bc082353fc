/** Reads the access rule that each rpc declares in its proto (`tributary.access.v1.rule`). */
import {
  type DescMessage,
  type DescMethod,
  type DescService,
  getOption,
  hasOption,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import {
  type AccessRule,
  AccessRule_Operation,
  AccessRule_Role,
  rule as ruleOption,
} from "#gen/tributary/access/v1/access_pb.js";

/** The rule of every rpc of the given services, by its descriptor. */
export type AccessRules = ReadonlyMap<DescMethod, AccessRule>;

/**
 * Reads all rules, once at start. Throws an Error that lists every fault: an rpc without a rule, a
 * role without a resource to look for it on, a resource path that the request does not have.
 */
export function accessRules(services: readonly DescService[]): AccessRules {
  const rules = new Map<DescMethod, AccessRule>();
  const faults: string[] = [];
  for (const method of services.flatMap((service) => service.methods)) {
    const fault = faultOf(method);
    if (fault) faults.push(`${method.parent.typeName}/${method.name}: ${fault}`);
    else rules.set(method, getOption(method, ruleOption));
  }
  if (faults.length > 0) throw new Error(`access rules: ${faults.join("; ")}`);
  return rules;
}

/** The text of the request field at the path, such as `sink.name`; empty when a part is not set. */
export function readField(schema: DescMessage, message: Message, path: string): string {
  let at = reflect(schema, message, false);
  const parts = path.split(".");
  for (const part of parts.slice(0, -1)) {
    const field = at.desc.fields.find((f) => f.name === part);
    if (field?.fieldKind !== "message" || !at.isSet(field)) return "";
    at = at.get(field);
  }
  const field = at.desc.fields.find((f) => f.name === parts.at(-1));
  const value = field?.fieldKind === "scalar" ? at.get(field) : "";
  return typeof value === "string" ? value : "";
}

function faultOf(method: DescMethod): string | undefined {
  if (!hasOption(method, ruleOption)) return "no rule";
  const { operation, role, resource } = getOption(method, ruleOption);
  if (operation === AccessRule_Operation.OPERATION_UNSPECIFIED) return "no operation";
  if (resource !== "" && !hasTextField(method.input, resource)) return `no field ${resource}`;
  const needsResource = role > AccessRule_Role.ROLE_UNSPECIFIED && role < AccessRule_Role.OPERATOR;
  if (needsResource && resource === "") return "a role without a resource";
  if (role === AccessRule_Role.ROLE_UNSPECIFIED && resource !== "") {
    return "a resource without a role";
  }
  return undefined;
}

function hasTextField(schema: DescMessage, path: string): boolean {
  const [first, ...rest] = path.split(".");
  const field = schema.fields.find((f) => f.name === first);
  if (rest.length === 0) return field?.fieldKind === "scalar" && field.scalar === ScalarType.STRING;
  return field?.fieldKind === "message" && hasTextField(field.message, rest.join("."));
}
