/**
 * The tables of the control plane, as drizzle sees them. The truth is in migrations/*.sql; a test
 * compares the two. Names are stored whole (`projects/{p}/streams/{s}`) because ids never change.
 * `version` grows with every change of a row that callers or the data plane can see: etags come from
 * it, and triggers write to `changes` when it moved.
 */
import { sql } from "drizzle-orm";
import {
  bigserial,
  boolean,
  index,
  integer,
  jsonb,
  primaryKey,
  smallint,
  text,
  unique,
} from "drizzle-orm/pg-core";
import { bytea, number, time, tributary } from "./columns.ts";

export * from "./external-identity-table.ts";
export * from "./mail-table.ts";
export * from "./ownership-table.ts";

/** Projects. */
export const projects = tributary.table("projects", {
  uid: text().primaryKey(),
  name: text().notNull().unique(),
  displayName: text().notNull(),
  description: text().notNull(),
  version: number().notNull(),
  createTime: time().notNull(),
  updateTime: time().notNull(),
});

/** Streams as they are now. */
export const streams = tributary.table(
  "streams",
  {
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    name: text().notNull().unique(),
    displayName: text().notNull(),
    description: text().notNull(),
    /** An encoded tributary.management.v1.Schema. */
    schema: bytea().notNull(),
    schemaVersion: number().notNull(),
    keyFields: text().array().notNull(),
    /** Stream.Throughput. */
    throughput: smallint().notNull(),
    partitions: integer().notNull(),
    generation: number().notNull(),
    retentionAgeMs: number().notNull(),
    retentionBytes: number().notNull(),
    version: number().notNull(),
    createTime: time().notNull(),
    updateTime: time().notNull(),
    /** When the current generation was about to be sealed; null once the next one is published. */
    sealingTime: time(),
    /** Stream.SchemaMode. */
    schemaMode: smallint().notNull(),
    notifyEmails: text().array().notNull(),
  },
  (t) => [index().on(t.projectUid, t.createTime, t.uid)],
);

/** What a stream was before its definition changed; the newest is in `streams` alone. */
export const streamVersions = tributary.table(
  "stream_versions",
  {
    projectUid: text().notNull(),
    streamUid: text()
      .notNull()
      .references(() => streams.uid, { onDelete: "cascade" }),
    schemaVersion: number().notNull(),
    generation: number().notNull(),
    schema: bytea().notNull(),
    keyFields: text().array().notNull(),
    partitions: integer().notNull(),
    endTime: time().notNull(),
  },
  (t) => [primaryKey({ columns: [t.streamUid, t.schemaVersion, t.generation] })],
);

/** Branches; the uid is that of the log. */
export const branches = tributary.table(
  "branches",
  {
    uid: text().primaryKey(),
    projectUid: text().notNull(),
    streamUid: text()
      .notNull()
      .references(() => streams.uid, { onDelete: "cascade" }),
    name: text().notNull().unique(),
    branchId: text().notNull(),
    shard: integer().notNull(),
    createTime: time().notNull(),
    /** Branch.State. */
    state: smallint().notNull().default(1),
    /** Id of the branch whose records it began with; empty for none. */
    copyOf: text().notNull().default(""),
    /** Name of the task that copies them; empty for none. */
    taskName: text().notNull().default(""),
  },
  (t) => [index().on(t.streamUid, t.createTime, t.uid), index().on(t.shard)],
);

/** Sinks; what they are is in `sink_versions`. */
export const sinks = tributary.table(
  "sinks",
  {
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    streamUid: text()
      .notNull()
      .references(() => streams.uid, { onDelete: "cascade" }),
    branchUid: text()
      .notNull()
      .references(() => branches.uid),
    name: text().notNull().unique(),
    /** Case of the oneof in sink.proto. */
    kind: text().notNull(),
    isPaused: boolean().notNull(),
    restarts: number().notNull(),
    startSequence: number().notNull(),
    version: number().notNull(),
    createTime: time().notNull(),
    updateTime: time().notNull(),
  },
  (t) => [index().on(t.streamUid, t.createTime, t.uid), index().on(t.branchUid)],
);

/** Every saved definition of a sink: an encrypted tributary.management.v1.Sink. */
export const sinkVersions = tributary.table(
  "sink_versions",
  {
    projectUid: text().notNull(),
    sinkUid: text()
      .notNull()
      .references(() => sinks.uid, { onDelete: "cascade" }),
    number: number().notNull(),
    fromSequence: number().notNull(),
    sealed: bytea().notNull(),
    createTime: time().notNull(),
  },
  (t) => [primaryKey({ columns: [t.sinkUid, t.number] })],
);

/** Sources: addresses that feed streams. */
export const sources = tributary.table(
  "sources",
  {
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    streamUid: text()
      .notNull()
      .references(() => streams.uid, { onDelete: "cascade" }),
    name: text().notNull().unique(),
    publicId: text().notNull().unique(),
    /** An encoded tributary.management.v1.Source without secrets. */
    definition: bytea().notNull(),
    version: number().notNull(),
    createTime: time().notNull(),
    updateTime: time().notNull(),
  },
  (t) => [index().on(t.streamUid, t.createTime, t.uid), index().on(t.projectUid)],
);

/** Credentials of sources: as SHA-256, or sealed where the secret itself is needed (signatures). */
export const sourceKeys = tributary.table(
  "source_keys",
  {
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    sourceUid: text()
      .notNull()
      .references(() => sources.uid, { onDelete: "cascade" }),
    sha256: bytea(),
    sealed: bytea(),
    /** First characters, for people. */
    hint: text().notNull(),
    createTime: time().notNull(),
    /** When it stops working; null for never. */
    endTime: time(),
    /** Changes without waking anybody. */
    lastUsedTime: time(),
  },
  (t) => [index().on(t.sourceUid), index().on(t.projectUid)],
);

/** What sources took. */
export const sourceStats = tributary.table(
  "source_stats",
  {
    sourceUid: text()
      .primaryKey()
      .references(() => sources.uid, { onDelete: "cascade" }),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    requests: number().notNull(),
    records: number().notNull(),
    bytes: number().notNull(),
    unauthenticatedRecords: number().notNull(),
    unauthenticatedBytes: number().notNull(),
    quarantined: number().notNull(),
    refused: number().notNull(),
    lastTime: time(),
  },
  (t) => [index().on(t.projectUid)],
);

/** How the polling of sources goes; changes without the definition, so it wakes nobody. */
export const sourcePolls = tributary.table(
  "source_polls",
  {
    sourceUid: text()
      .primaryKey()
      .references(() => sources.uid, { onDelete: "cascade" }),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    cursor: text().notNull().default(""),
    /** Validators of the last answer to the very same request (RFC 9110 section 8.8). */
    etag: text().notNull().default(""),
    lastModified: text().notNull().default(""),
    /** Hashes of the newest record ids, oldest first. */
    seen: jsonb().$type<readonly string[]>().notNull().default([]),
    failures: integer().notNull().default(0),
    cause: text().notNull().default(""),
    lastAttemptTime: time(),
    lastSuccessTime: time(),
    nextTime: time().notNull(),
    leaseHolder: text(),
    leaseEndTime: time(),
  },
  (t) => [index().on(t.projectUid), index().on(t.nextTime)],
);

/** OAuth2 clients. */
export const applications = tributary.table(
  "applications",
  {
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    name: text().notNull().unique(),
    displayName: text().notNull(),
    /** Application.Type. */
    type: smallint().notNull(),
    clientId: text().notNull().unique(),
    isClientCredentialsEnabled: boolean().notNull(),
    operations: text().array().notNull(),
    isDisabled: boolean().notNull(),
    /** Changes without `version`, so it wakes nobody. */
    lastUsedTime: time(),
    version: number().notNull(),
    createTime: time().notNull(),
    updateTime: time().notNull(),
    /** JWKs that check client assertions (RFC 7523). */
    publicKeys: jsonb().$type<Record<string, unknown>[]>().notNull().default([]),
    isSecretRefused: boolean().notNull().default(false),
    isDpopRequired: boolean().notNull().default(false),
  },
  (t) => [index().on(t.projectUid, t.createTime, t.uid)],
);

/** Secrets of applications, as SHA-256. */
export const applicationSecrets = tributary.table(
  "application_secrets",
  {
    uid: text().primaryKey(),
    projectUid: text().notNull(),
    applicationUid: text()
      .notNull()
      .references(() => applications.uid, { onDelete: "cascade" }),
    sha256: bytea().notNull(),
    /** First characters, for people. */
    hint: text().notNull(),
    createTime: time().notNull(),
    /** When it stops working; null for never. */
    endTime: time(),
  },
  (t) => [index().on(t.applicationUid)],
);

/** People who may sign in. */
export const persons = tributary.table(
  "persons",
  {
    uid: text().primaryKey(),
    /** In lower case: one address is one person, however it is written. */
    email: text().notNull().unique(),
    displayName: text().notNull(),
    /** PHC string of Argon2id; null for people who sign in elsewhere only. */
    passwordHash: text(),
    isDisabled: boolean().notNull(),
    /** Changes without `version`, so it wakes nobody. */
    lastSignInTime: time(),
    version: number().notNull(),
    createTime: time().notNull(),
    updateTime: time().notNull(),
  },
  (t) => [index().on(t.createTime, t.uid)],
);

/** Sessions of people in browsers. */
export const sessions = tributary.table(
  "sessions",
  {
    uid: text().primaryKey(),
    personUid: text()
      .notNull()
      .references(() => persons.uid, { onDelete: "cascade" }),
    /** SHA-256 of what the cookie holds. */
    sha256: bytea().notNull().unique(),
    /** Where it was begun from. */
    address: text().notNull(),
    userAgent: text().notNull(),
    createTime: time().notNull(),
    lastUsedTime: time().notNull(),
    expireTime: time().notNull(),
  },
  (t) => [index().on(t.personUid, t.createTime, t.uid), index().on(t.expireTime)],
);

/** Invitations to projects that are neither accepted nor taken back. */
export const invitations = tributary.table(
  "invitations",
  {
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    /** In lower case. */
    email: text().notNull(),
    /** AccessRule.Role. */
    role: smallint().notNull(),
    /** SHA-256 of the token in the link. */
    sha256: bytea().notNull().unique(),
    /** Who invited: the id of a principal. */
    creatorId: text().notNull(),
    createTime: time().notNull(),
    expireTime: time().notNull(),
  },
  (t) => [index().on(t.projectUid, t.createTime, t.uid)],
);

/** Roles of applications and people; one for each resource and principal. */
export const grants = tributary.table(
  "grants",
  {
    uid: text().primaryKey(),
    /** Null for a role on the whole installation. */
    projectUid: text().references(() => projects.uid, { onDelete: "cascade" }),
    /** Null unless the resource is a stream. */
    streamUid: text().references(() => streams.uid, { onDelete: "cascade" }),
    /** `projects/{p}`, `projects/{p}/streams/{s}`, or empty for the installation. */
    resource: text().notNull(),
    /** Client id of an application, or `person:<uid>`. */
    principalId: text().notNull(),
    /** Made from `principalId`; null for other kinds. */
    clientId: text()
      .generatedAlwaysAs(sql`CASE WHEN strpos(principal_id, ':') = 0 THEN principal_id END`)
      .references(() => applications.clientId, { onDelete: "cascade" }),
    /** Made from `principalId`; null for other kinds. */
    personUid: text()
      .generatedAlwaysAs(
        sql`CASE WHEN principal_id LIKE 'person:%' THEN substr(principal_id, 8) END`,
      )
      .references(() => persons.uid, { onDelete: "cascade" }),
    /** AccessRule.Role. */
    role: smallint().notNull(),
    version: number().notNull(),
    createTime: time().notNull(),
  },
  (t) => [
    unique().on(t.resource, t.principalId),
    index().on(t.principalId),
    index().on(t.clientId),
    index().on(t.personUid),
    index().on(t.projectUid),
    index().on(t.streamUid),
  ],
);

/** Keys that sign access tokens. */
export const signingKeys = tributary.table("signing_keys", {
  kid: text().primaryKey(),
  /** JWS algorithm. */
  algorithm: text().notNull(),
  publicJwk: jsonb().$type<Record<string, unknown>>().notNull(),
  /** The private key, encrypted with the kid as additional data. */
  sealedPrivateKey: bytea().notNull(),
  createTime: time().notNull(),
  /** When tokens are first signed with it. */
  useTime: time().notNull(),
  /** When it leaves the key set; null while it has no successor. */
  endTime: time(),
});

/** Access tokens that were revoked before their end. */
export const revokedTokens = tributary.table(
  "revoked_tokens",
  {
    /** `jti`. */
    tokenId: text().primaryKey(),
    clientId: text().notNull(),
    createTime: time().notNull(),
    /** When the token would have ended anyway, and the row may go. */
    endTime: time().notNull(),
  },
  (t) => [index().on(t.endTime), index().on(t.createTime)],
);

/** Client assertions and DPoP proofs that were used. */
export const usedProofs = tributary.table(
  "used_proofs",
  {
    /** Of issuer and `jti`. */
    digest: text().primaryKey(),
    /** When the proof would have ended anyway, and the row may go. */
    endTime: time().notNull(),
  },
  (t) => [index().on(t.endTime)],
);

/** Personal and service tokens; the uid is the part by which they are looked up. */
export const tokens = tributary.table(
  "tokens",
  {
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    name: text().notNull().unique(),
    /** Token.Kind. */
    kind: smallint().notNull(),
    /** Id of the principal that made it. */
    makerId: text().notNull(),
    resource: text().notNull(),
    resourceUid: text().notNull(),
    /** AccessRule.Role. */
    role: smallint().notNull(),
    operations: text().array().notNull(),
    description: text().notNull(),
    /** Name of a sink or source; empty for none. */
    usedBy: text().notNull(),
    sha256: bytea().notNull(),
    /** The secret before a refresh, until `oldEndTime`. */
    oldSha256: bytea(),
    oldEndTime: time(),
    isDisabled: boolean().notNull(),
    endTime: time(),
    /** Changes without `version`, so it wakes nobody. */
    lastUsedTime: time(),
    version: number().notNull(),
    createTime: time().notNull(),
    updateTime: time().notNull(),
  },
  (t) => [index().on(t.projectUid, t.createTime, t.uid), index().on(t.makerId)],
);

/** What changed, in the order of the commits: `seq` is drawn under a lock held to the commit. */
export const changes = tributary.table("changes", {
  seq: bigserial({ mode: "number" }).primaryKey(),
  /** Singular of the table. */
  kind: text().notNull(),
  uid: text().notNull(),
});

/** Facts of the installation. */
export const settings = tributary.table("settings", {
  name: text().primaryKey(),
  value: jsonb().notNull(),
});

/** Long changes that are made behind the calls that asked for them. */
export const tasks = tributary.table(
  "tasks",
  {
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    name: text().notNull().unique(),
    /** Task.Kind. */
    kind: smallint().notNull(),
    resource: text().notNull(),
    /** What it works on, by kind. */
    input: jsonb().$type<Record<string, unknown>>().notNull(),
    /** Where it goes on, by kind; null before the first step. */
    position: jsonb().$type<Record<string, unknown>>(),
    /** Task.State. */
    state: smallint().notNull(),
    done: number().notNull(),
    total: number().notNull(),
    error: text().notNull(),
    /** Since it last came forward. */
    attempts: integer().notNull(),
    isCancelWanted: boolean().notNull(),
    /** Which worker has it, until `leaseEndTime`. */
    leaseHolder: text(),
    leaseEndTime: time(),
    /** When it is to be tried next. */
    dueTime: time().notNull(),
    createTime: time().notNull(),
    startTime: time(),
    endTime: time(),
  },
  (t) => [index().on(t.projectUid, t.createTime, t.uid)],
);

/** Logs whose stream or branch is gone, until their records are gone as well. */
export const purges = tributary.table("purges", {
  logUid: text().primaryKey(),
  shard: integer().notNull(),
  createTime: time().notNull(),
});

export * from "./usage-schema.ts";

/** What was done, by whom: see migrations/0106_audit.sql. A trigger sets number and hashes. */
export const auditEvents = tributary.table(
  "audit_events",
  {
    /** Uid of the project; empty for the installation. */
    chain: text().notNull(),
    number: number().notNull().default(0),
    uid: text().notNull().unique(),
    projectUid: text(),
    actorId: text().notNull(),
    method: text().notNull(),
    resource: text().notNull(),
    code: text().notNull(),
    createTime: time().notNull(),
    /** An encoded tributary.management.v1.AuditEvent. */
    event: bytea().notNull(),
    previousHash: bytea().notNull(),
    hash: bytea().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.chain, t.number] }),
    index().on(t.projectUid, t.createTime, t.uid),
    index().on(t.createTime, t.uid),
  ],
);

/** New shapes of records on streams that take what their schema does not know. */
export const schemaProposals = tributary.table(
  "schema_proposals",
  {
    uid: text().primaryKey(),
    projectUid: text()
      .notNull()
      .references(() => projects.uid, { onDelete: "cascade" }),
    streamUid: text()
      .notNull()
      .references(() => streams.uid, { onDelete: "cascade" }),
    /** Of what differs from the schema of that time: the same difference is told once. */
    shapeHash: text().notNull(),
    schemaVersion: number().notNull(),
    /** The record that showed it, as JSON text. */
    sample: bytea().notNull(),
    /** SchemaProposal.State. */
    state: smallint().notNull(),
    createTime: time().notNull(),
    decideTime: time(),
  },
  (t) => [unique().on(t.streamUid, t.shapeHash), index().on(t.streamUid, t.createTime, t.uid)],
);
