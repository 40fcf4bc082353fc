/** Every service that the server has, from the generated descriptors. */
import { type DescMethod, type DescService, getOption, hasOption } from "@bufbuild/protobuf";
import { http } from "#gen/google/api/annotations_pb.js";
import { AccessRule_Operation as Operation, rule } from "#gen/tributary/access/v1/access_pb.js";
import { roleName } from "../../api/roles.ts";

/** A module of generated code: whatever it exports. */
type Generated = Readonly<{ [name: string]: unknown }>;

// A service that is added needs no line here.
const modules = import.meta.glob<Generated>("../../../../gen/tributary/*/v1/*_service_pb.js", {
  eager: true,
});

/** The services, by name. */
export const SERVICES: readonly DescService[] = Object.values(modules)
  .flatMap((module) => Object.values(module))
  .filter(isService)
  .sort((one, other) => (one.name < other.name ? -1 : 1));

function isService(value: unknown): value is DescService {
  return (value as { kind?: unknown } | undefined)?.kind === "service";
}

/** Method and path of an rpc in its JSON form, such as `GET /v1/{name=…}`; empty for none. */
export function httpForm(method: DescMethod): string {
  if (!hasOption(method, http)) return "";
  const { pattern } = getOption(method, http);
  if (pattern.case === undefined || pattern.case === "custom") return "";
  return `${pattern.case.toUpperCase()} ${pattern.value}`;
}

const OPERATIONS: Readonly<{ [O in Operation]: string }> = {
  [Operation.OPERATION_UNSPECIFIED]: "",
  [Operation.PUBLIC]: "",
  [Operation.READ]: "api:use-streams-read",
  [Operation.WRITE]: "api:use-streams-write",
  [Operation.MANAGE]: "api:use-streams-manage",
};

/** Who may call, in words. */
export function accessOf(method: DescMethod): string {
  const { operation, role, people } = getOption(method, rule);
  if (operation === Operation.PUBLIC) return "Anybody may call it.";
  const token = `Needs a session, or a token with ${OPERATIONS[operation]}`;
  if (people) return `${token}; any person may call it.`;
  return role ? `${token}, and the role ${roleName(role)} or a higher one.` : `${token}.`;
}
