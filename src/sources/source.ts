/**
 * The contract of a kind of authentication of a source: a pure check of its configuration, and a gate
 * that judges requests. Nothing here waits for a database or looks at a clock of its own.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { Source } from "#gen/tributary/management/v1/source_pb.js";
import type { SourceDefinition } from "../core/definitions.ts";
import type { FieldViolation } from "../core/errors.ts";
import type { Principal } from "../core/principal.ts";

/** Kinds of authentication: cases of the oneof in source.proto. */
export type AuthenticationKind = NonNullable<Source["authentication"]["case"]>;
/** Configuration of a kind. */
export type ConfigOf<K extends AuthenticationKind> = Extract<
  Source["authentication"],
  { case: K }
>["value"];

/** What of a request is known before its body. */
export interface SourceHead {
  readonly method: string;
  /** Path as it was sent, without the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Address of the sender, as trusted proxies name it. */
  readonly address: string;
  /** Last part of the path behind the public id; undefined when there is none. */
  readonly secret: string | undefined;
  readonly nowMs: number;
}

/** A sender that was let in. */
export interface Sender {
  /** The credential that was used, where the source keeps some. */
  readonly keyUid?: string;
  /** Names the request where its signature does: a repeat is stored once until `untilMs`. */
  readonly replay?: { readonly id: string; readonly untilMs: number };
}

/** Judges requests of one source. Each method throws to refuse. */
export interface AuthenticationGate {
  /**
   * By the head alone. Undefined when the body decides: then `verify` must be asked. Fails with
   * SOURCE_NOT_FOUND, KEY_INVALID or SIGNATURE_INVALID, and for bearer tokens as a push does.
   */
  admit(head: SourceHead): Sender | undefined | Promise<Sender>;
  /** By head and body (inflated, otherwise as it came). Fails with SIGNATURE_INVALID. */
  verify?(head: SourceHead, body: Uint8Array): Sender;
  /** Headers that hold credentials, in lower case: they are never stored. */
  readonly credentialHeaders: readonly string[];
}

/** What gates may use beside their source. */
export interface GateEnvironment {
  /** Finds out who sends a token and whether it may push to the source of this name. Throws to refuse. */
  readonly authenticateBearer: (head: SourceHead, source: string) => Principal | Promise<Principal>;
}

/** A kind of authentication. */
export interface AuthenticationType<C> {
  /** What is wrong with a configuration; paths are below the kind's own field. */
  check(config: C, source: Source): FieldViolation[];
  open(config: C, definition: SourceDefinition, environment: GateEnvironment): AuthenticationGate;
  /** What is kept of its credentials; undefined when it has none of its own. */
  readonly keeps?: "hash" | "secret";
}
