/** The REST face of rpcs, as their google.api.http options declare it. */
import {
  type DescField,
  type DescMethod,
  type DescService,
  getOption,
  hasOption,
} from "@bufbuild/protobuf";
import { http } from "#gen/google/api/annotations_pb.js";
import type { HttpRule } from "#gen/google/api/http_pb.js";
import { type PathTemplate, parsePathTemplate } from "./path-template.ts";

/** One way to call an rpc. */
export interface Binding {
  readonly method: DescMethod;
  /** GET, POST, PUT, PATCH or DELETE. */
  readonly httpMethod: string;
  readonly template: PathTemplate;
  /** What the body holds: the whole request, one field of it, or nothing. */
  readonly body: "*" | DescField | undefined;
}

/** Bindings of all services, those of an rpc in the order of its options. Throws for unusable ones. */
export function readBindings(services: readonly DescService[]): readonly Binding[] {
  return services.flatMap((service) => service.methods).flatMap(bindingsOf);
}

function bindingsOf(method: DescMethod): Binding[] {
  if (!hasOption(method, http)) return [];
  const rule = getOption(method, http);
  return [rule, ...rule.additionalBindings].map((each) => createBinding(method, each));
}

function createBinding(method: DescMethod, { pattern, body }: HttpRule): Binding {
  const name = `${method.parent.typeName}/${method.name}`;
  if (!pattern.case || pattern.case === "custom") throw new Error(`${name}: no HTTP method`);
  if (method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming") {
    throw new Error(`${name}: REST cannot stream requests`);
  }
  const field = method.input.fields.find((f) => f.name === body);
  if (body !== "" && body !== "*" && field?.fieldKind !== "message") {
    throw new Error(`${name}: body ${body} is not a message field`);
  }
  return {
    method,
    httpMethod: pattern.case.toUpperCase(),
    template: parsePathTemplate(pattern.value),
    body: body === "*" ? "*" : field,
  };
}
