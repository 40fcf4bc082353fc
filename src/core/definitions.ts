/**
 * Definitions as the data plane sees them: plain, immutable objects in memory. The catalog keeps
 * them fresh (LISTEN/NOTIFY and a version check every 2 s); pushes and deliveries read them and
 * never wait for Postgres. An object is replaced, never changed, so `===` tells whether one changed.
 */

import type { Sink } from "#gen/tributary/management/v1/sink_pb.js";
import type { Source } from "#gen/tributary/management/v1/source_pb.js";
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import type { PublicJwk } from "./public-jwk.ts";
import type { Quotas } from "./quotas.ts";
import type { SchemaMode } from "./record-rules.ts";
import type { TokenKind } from "./token-text.ts";

/** An independent log of a stream: one branch on one shard. */
export interface LogDefinition {
  /** Identity, `[a-z0-9]{20}`, unique in the installation and never used again. */
  readonly uid: string;
  /** Id of the branch, such as `main`. */
  readonly branch: string;
  /** Number of the shard, from 0, that holds the log. */
  readonly shard: number;
}

/** A stream with its branches. */
export interface StreamDefinition {
  readonly uid: string;
  /** `projects/{p}/streams/{s}`. */
  readonly name: string;
  readonly projectUid: string;
  readonly schema: Schema;
  readonly schemaVersion: number;
  readonly keyFields: readonly string[];
  /** What happens to records that do not fit the schema; `strict` when left out. */
  readonly schemaMode?: SchemaMode;
  readonly partitions: number;
  /** Grows when partitions or keys change; part of the subject of every message. */
  readonly generation: number;
  readonly retentionAgeMs: number;
  readonly retentionBytes: number;
  readonly createTimeMs: number;
  /** Where records are kept beyond the log; undefined when the stream never had an archive. */
  readonly archive?: ArchiveDefinition | undefined;
  /** By branch id. */
  readonly logs: ReadonlyMap<string, LogDefinition>;
  /** Definitions of earlier generations and schema versions that stored records may still name. */
  readonly history: readonly StreamVersion[];
}

/** The archive of a stream, as far as it bears on when files are written and deleted. */
export interface ArchiveDefinition {
  /** Whether it takes records; what it holds can be read either way. */
  readonly isTaking: boolean;
  /** How long a record waits at most for its file. */
  readonly fileMs: number;
  readonly fileBytes: number;
  /** Age at which files go; Infinity for never. */
  readonly retentionMs: number;
}

/** What a stream was in one generation and schema version. */
export interface StreamVersion {
  readonly schemaVersion: number;
  readonly generation: number;
  readonly schema: Schema;
  readonly keyFields: readonly string[];
  readonly partitions: number;
}

/** A sink as saved: delivery applies each version from its sequence on. */
export interface SinkDefinition {
  readonly uid: string;
  /** `projects/{p}/streams/{s}/sinks/{k}`. */
  readonly name: string;
  readonly projectUid: string;
  readonly streamName: string;
  readonly log: LogDefinition;
  /** First sequence that the sink delivers. */
  readonly startSequence: number;
  /** First sequence that it does not deliver, for it was handed over to another; 0 for none. */
  readonly endSequence?: number;
  /** Whether its owner paused it. */
  readonly isPaused: boolean;
  /** Grows with every RestartSink: a change makes delivery try at once. */
  readonly restarts: number;
  /** Ascending by version; at least one. */
  readonly versions: readonly SinkVersion[];
}

/** One saved version of a sink. */
export interface SinkVersion {
  readonly version: number;
  /** First sequence of the log to which this version applies, fixed when it was saved. */
  readonly fromSequence: number;
  /** The definition, secrets included: never log or return it. */
  readonly sink: Sink;
}

/** A source as saved, with its credentials: never log or return them. */
export interface SourceDefinition {
  readonly uid: string;
  /** `projects/{p}/streams/{s}/sources/{x}`. */
  readonly name: string;
  readonly projectUid: string;
  readonly streamName: string;
  /** Its address is `/in/{publicId}`. */
  readonly publicId: string;
  /** What its owner said of it; secrets are in `keys` alone. */
  readonly source: Source;
  /** Newest first; those that ended may be among them. */
  readonly keys: readonly SourceKeyDefinition[];
}

/** A credential of a source: its SHA-256, or the secret itself where signatures are made with it. */
export interface SourceKeyDefinition {
  readonly uid: string;
  readonly sha256?: Uint8Array;
  readonly secret?: Uint8Array;
  /** When it stops working; undefined for never. */
  readonly endTimeMs?: number;
}

/** A role on a project or stream. */
export interface GrantDefinition {
  readonly uid: string;
  /** `projects/{p}` or `projects/{p}/streams/{s}`. */
  readonly resource: string;
  /** Client id of an application, or `person:<uid>`. */
  readonly principalId: string;
  /** As AccessRule.Role: 1 VIEWER, 2 EDITOR, 3 OWNER; 4 OPERATOR stands on the resource ``. */
  readonly role: number;
}

/** An application, as authentication sees it. */
export interface ApplicationDefinition {
  readonly uid: string;
  /** `projects/{p}/applications/{a}`. */
  readonly name: string;
  readonly projectUid: string;
  readonly clientId: string;
  readonly isDisabled: boolean;
  readonly isClientCredentialsEnabled: boolean;
  readonly operations: readonly string[];
  /** Valid secrets, newest first: SHA-256 of each, and when it ends (undefined: never). */
  readonly secrets: readonly { readonly sha256: Uint8Array; readonly endTimeMs?: number }[];
  /** JWKs that check its client assertions (RFC 7523); each object is replaced, never changed. */
  readonly publicKeys: readonly PublicJwk[];
  /** Whether its secrets count for nothing, so that only a key of its own does. */
  readonly isSecretRefused: boolean;
  /** Whether its access tokens must be bound to a key (RFC 9449). */
  readonly isDpopRequired: boolean;
}

/** A personal or service token, as authentication sees it. */
export interface TokenDefinition {
  readonly uid: string;
  readonly projectUid: string;
  readonly kind: TokenKind;
  /** Id of the principal that made it; a personal token acts as this person. */
  readonly makerId: string;
  /** Name of what it may touch, and the identity of the stream, source or sink of that name. */
  readonly resource: string;
  readonly resourceUid: string;
  /** As AccessRule.Role; 0 for a personal token that has whatever its person has. */
  readonly role: number;
  readonly operations: readonly string[];
  readonly isDisabled: boolean;
  /** Undefined: never. */
  readonly endTimeMs?: number;
  /** Valid secrets, newest first: SHA-256 of the token, and when it ends (undefined: never). */
  readonly secrets: readonly { readonly sha256: Uint8Array; readonly endTimeMs?: number }[];
}

/** A person, as authentication sees them. */
export interface PersonDefinition {
  readonly uid: string;
  /** `person:<uid>`, as grants and principals have it. */
  readonly id: string;
  readonly isDisabled: boolean;
}

/** A project, as far as it bears on what may be done in it. */
export interface ProjectDefinition {
  readonly uid: string;
  /** `projects/{p}`. */
  readonly name: string;
  /** Whether the operator has suspended it: no pushes, no deliveries, and only the operator reads. */
  readonly isSuspended: boolean;
  /** Those that hold, defaults included. */
  readonly quotas: Quotas;
}

/** The snapshot that the data plane reads. All methods are synchronous map look-ups. */
export interface Definitions {
  /** A project by its name or its uid. */
  project(nameOrUid: string): ProjectDefinition | undefined;
  /** A stream by `projects/{p}/streams/{s}`. */
  stream(name: string): StreamDefinition | undefined;
  streamByLog(logUid: string): StreamDefinition | undefined;
  streams(): Iterable<StreamDefinition>;
  sink(name: string): SinkDefinition | undefined;
  sinkByUid(uid: string): SinkDefinition | undefined;
  sinks(): Iterable<SinkDefinition>;
  sinksOfLog(logUid: string): readonly SinkDefinition[];
  /** A source by the last part of its address. */
  sourceByPublicId(publicId: string): SourceDefinition | undefined;
  sourceByUid(uid: string): SourceDefinition | undefined;
  applicationByClientId(clientId: string): ApplicationDefinition | undefined;
  token(uid: string): TokenDefinition | undefined;
  /** A person by `person:<uid>`. */
  person(id: string): PersonDefinition | undefined;
  /** Grants of an application or person: few, so a list. */
  grantsOf(principalId: string): readonly GrantDefinition[];
  /** When the snapshot was last known to be equal to the database, in Date.now() terms. */
  freshAtMs(): number;
  /** Calls back after each change; returns a function that ends it. */
  onChange(listener: () => void): () => void;
}
