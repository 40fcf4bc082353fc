/** Every kind of authentication of a source, and the gate of a source. */
import type { Source } from "#gen/tributary/management/v1/source_pb.js";
import type { SourceDefinition } from "../core/definitions.ts";
import type { FieldViolation } from "../core/errors.ts";
import { apiKey } from "./api-key.ts";
import { basic } from "./basic.ts";
import { bearer } from "./bearer.ts";
import { address, none } from "./open.ts";
import { secretUrl } from "./secret-url.ts";
import { signature } from "./signature/signature.ts";
import type {
  AuthenticationGate,
  AuthenticationKind,
  AuthenticationType,
  ConfigOf,
  GateEnvironment,
} from "./source.ts";

/** A new kind is a case in source.proto, a file and a line here. */
export const authentications = {
  apiKey,
  basic,
  bearer,
  signature,
  secretUrl,
  address,
  none,
} satisfies { [K in AuthenticationKind]: AuthenticationType<ConfigOf<K>> };

/** Names of the kinds as source.proto writes them: in stored records, and in paths of faults. */
export const AUTHENTICATION_NAMES: Readonly<Record<AuthenticationKind, string>> = {
  apiKey: "api_key",
  basic: "basic",
  bearer: "bearer",
  signature: "signature",
  secretUrl: "secret_url",
  address: "address",
  none: "none",
};

/** What is wrong with the authentication of a source; paths begin with `source.`. */
export function checkAuthentication(source: Source): FieldViolation[] {
  const { authentication } = source;
  if (authentication.case === undefined) {
    const kinds = Object.values(AUTHENTICATION_NAMES).join(", ");
    const description = `choose how senders prove who they are, one of ${kinds}`;
    return [{ field: "source.authentication", description }];
  }
  const prefix = `source.${AUTHENTICATION_NAMES[authentication.case]}`;
  return typeOf(authentication.case)
    .check(authentication.value, source)
    .map(({ field, description }) => ({
      field: field === "" ? prefix : `${prefix}.${field}`,
      description,
    }));
}

/** Whether a kind keeps credentials of its own: their hash, or the secret itself, sealed. */
export function keepsOf(kind: AuthenticationKind | undefined): "hash" | "secret" | undefined {
  return kind && typeOf(kind).keeps;
}

/** The gate of a source. Fails with a plain Error when its configuration was never checked. */
export function openAuthentication(
  definition: SourceDefinition,
  environment: GateEnvironment,
): AuthenticationGate {
  const { authentication } = definition.source;
  if (authentication.case === undefined) throw new Error("a source without authentication");
  return typeOf(authentication.case).open(authentication.value, definition, environment);
}

/** The compiler cannot follow that case and value belong together. */
function typeOf(kind: AuthenticationKind): AuthenticationType<unknown> {
  return authentications[kind] as AuthenticationType<unknown>;
}
