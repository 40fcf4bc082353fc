import type { JsonObject } from "@bufbuild/protobuf";

/** Names of things in the project whose rpcs are walked; all exist. */
export interface Walked {
  readonly project: string;
  readonly stream: string;
  readonly sink: string;
  readonly source: string;
  readonly application: string;
  readonly clientId: string;
  readonly token: string;
  /** A request to the walked sink that failed. */
  readonly attempt: string;
  /** Of a sink of its own. */
  readonly replay: string;
  readonly migration: string;
  readonly recordId: string;
  /** A new thing for a call that takes it away. */
  readonly fresh: (
    kind:
      | "task"
      | "grant"
      | "branch"
      | "token"
      | "invitation"
      | "source"
      | "proposal"
      | "deleted"
      | "deleted stream",
  ) => Promise<string>;
  /** An id that nothing has yet. */
  readonly id: () => string;
}

type Maker = (walked: Walked) => JsonObject | Promise<JsonObject>;

const stale = `"stale-0"`;
const schema = { fields: [{ name: "n", type: "LONG" }] };

/**
 * A request for each rpc, `Service/Method`, that an allowed caller could send: what it meets is never
 * a refusal by access control. An rpc without one fails the walk: add it here with the rpc. What would
 * take the walked things away carries a stale etag, or takes a fresh one.
 */
export const REQUEST_MAKERS: Readonly<Record<string, Maker>> = {
  "AccessService/CreateGrant": (w) => ({
    parent: w.stream,
    grant: { clientId: w.clientId, role: "VIEWER" },
  }),
  "AccessService/ListGrants": (w) => ({ parent: w.project }),
  "AccessService/DeleteGrant": async (w) => ({ name: await w.fresh("grant") }),

  "AccessService/ListMembers": (w) => ({ parent: w.project }),
  "AccessService/LookupPrincipal": (w) => ({ parent: w.project, query: w.clientId }),

  "AccountService/GetSignUpOptions": () => ({}),
  "AccountService/SignUp": () => ({ email: "nobody", password: "x" }),
  "AccountService/SignIn": () => ({ email: "nobody@example.com", password: "not the password" }),
  "AccountService/RequestPasswordReset": () => ({ email: "nobody@example.com" }),
  "AccountService/ResetPassword": () => ({ token: "none", newPassword: "not a short one" }),
  "AccountService/SignOut": () => ({}),
  "AccountService/SignOutEverywhere": () => ({}),
  "AccountService/GetMe": () => ({}),
  "AccountService/UpdateMe": () => ({ person: { displayName: "x" } }),
  "AccountService/ChangePassword": () => ({ currentPassword: "x", newPassword: "y" }),
  "AccountService/DeleteMe": () => ({ currentPassword: "x" }),
  "AccountService/ListSessions": () => ({}),
  "AccountService/DeleteSession": () => ({ name: "sessions/none" }),
  "AccountService/CreateInvitation": (w) => ({
    parent: w.project,
    invitation: { email: `${w.id()}@example.com`, role: "VIEWER" },
  }),
  "AccountService/ListInvitations": (w) => ({ parent: w.project }),
  "AccountService/DeleteInvitation": async (w) => ({ name: await w.fresh("invitation") }),
  "AccountService/LookupInvitation": () => ({ token: "none" }),
  "AccountService/AcceptInvitation": () => ({ token: "none" }),
  "AccountService/ListPeople": () => ({}),
  "AccountService/DisablePerson": () => ({ name: "persons/none" }),
  "AccountService/EnablePerson": () => ({ name: "persons/none" }),
  "AccountService/MakeOperator": () => ({ name: "persons/none" }),
  "AccountService/RemoveOperator": () => ({ name: "persons/none" }),

  "ApplicationService/CreateApplication": (w) => ({
    parent: w.project,
    applicationId: w.id(),
    application: { displayName: "x" },
  }),
  "ApplicationService/GetApplication": (w) => ({ name: w.application }),
  "ApplicationService/ListApplications": (w) => ({ parent: w.project }),
  "ApplicationService/UpdateApplication": (w) => ({
    application: { name: w.application, displayName: "x", etag: stale },
  }),
  "ApplicationService/DeleteApplication": (w) => ({ name: w.application, etag: stale }),
  "ApplicationService/RotateApplicationSecret": (w) => ({ name: w.application }),

  "AuditService/ListAuditEvents": (w) => ({ parent: w.project }),
  "AuditService/ExportAuditEvents": (w) => ({ parent: w.project }),
  "AuditService/ListInstallationAuditEvents": () => ({}),

  "AlertService/GetAlertSettings": (w) => ({ name: `${w.project}/alertSettings` }),
  "AlertService/UpdateAlertSettings": (w) => ({
    settings: { name: `${w.project}/alertSettings`, etag: stale },
  }),
  "AlertService/TestAlerts": (w) => ({ name: `${w.project}/alertSettings` }),
  "AlertService/ListAlerts": (w) => ({ parent: w.project }),

  "DeliveryService/TraceRecord": (w) => ({
    stream: w.stream,
    recordId: w.recordId,
  }),
  "DeliveryService/ListParkedKeys": (w) => ({ parent: w.sink }),
  "DeliveryService/GetLedger": (w) => ({ name: w.sink }),
  "DeliveryService/ExportLedgers": (w) => ({ parent: w.project }),
  "DeliveryService/GetStreamStatistics": (w) => ({ name: w.stream }),
  "DeliveryService/ListAttempts": (w) => ({ parent: w.sink }),
  "DeliveryService/GetAttempt": (w) => ({ name: w.attempt }),

  "InstallationService/GetInstallation": () => ({}),
  "InstallationService/GetMailSettings": () => ({}),
  "InstallationService/SendTestMail": () => ({ to: "ada@example.com" }),
  "InstallationService/UpdateInstallation": () => ({ installation: {}, updateMask: "" }),
  "InstallationService/ListAllProjects": () => ({}),
  "InstallationService/SuspendProject": () => ({ name: "projects/none-at-all" }),
  "InstallationService/UnsuspendProject": (w) => ({ name: w.project }),
  "InstallationService/GetProjectQuotas": (w) => ({ name: w.project }),
  "InstallationService/UpdateProjectQuotas": (w) => ({
    name: w.project,
    quotas: {},
    updateMask: "",
  }),

  "OAuth2Service/IssueToken": () => ({ grantType: "client_credentials" }),
  "OAuth2Service/IntrospectToken": () => ({ token: "x" }),
  "OAuth2Service/RevokeToken": () => ({ token: "x" }),
  "OAuth2Service/GetServerMetadata": () => ({}),
  "OAuth2Service/GetJsonWebKeySet": () => ({}),

  "CatalogService/ListSinkKinds": () => ({}),
  "CatalogService/ListSinkStates": () => ({}),
  "CatalogService/ListStreamTypes": () => ({}),
  "CatalogService/ListFilterFieldTypes": () => ({}),

  "ProjectService/CreateProject": (w) => ({ projectId: w.id(), project: { displayName: "x" } }),
  "ProjectService/GetProject": (w) => ({ name: w.project }),
  "ProjectService/ListProjects": () => ({}),
  "ProjectService/UpdateProject": (w) => ({ project: { name: w.project, etag: stale } }),
  "ProjectService/DeleteProject": (w) => ({ name: w.project, etag: stale }),
  "ProjectService/GetOwnershipSettings": (w) => ({ name: `${w.project}/ownershipSettings` }),
  "ProjectService/UpdateOwnershipSettings": (w) => ({
    settings: { name: `${w.project}/ownershipSettings`, etag: stale },
  }),
  "ProjectService/RotateVerificationKey": (w) => ({ name: `${w.project}/ownershipSettings` }),

  "PushService/Push": (w) => ({ stream: w.stream, records: [{ value: { n: 1 } }] }),
  "PushService/PushStream": (w) => ({
    push: { stream: w.stream, records: [{ value: { n: 1 } }], idempotencyKey: w.id() },
  }),

  "RecordService/ListRecords": (w) => ({ stream: w.stream }),
  "RecordService/TailRecords": (w) => ({ stream: w.stream }),

  "SinkService/CreateSink": (w) => ({
    parent: w.stream,
    sinkId: w.id(),
    sink: { webhook: { url: "http://127.0.0.1:1/" } },
    validateOnly: true,
  }),
  "SinkService/GetSink": (w) => ({ name: w.sink }),
  "SinkService/ListSinks": (w) => ({ parent: w.stream }),
  "SinkService/UpdateSink": (w) => ({ sink: { name: w.sink, etag: stale } }),
  "SinkService/DeleteSink": (w) => ({ name: w.sink, etag: stale }),
  "SinkService/PauseSink": (w) => ({ name: w.sink }),
  "SinkService/ResumeSink": (w) => ({ name: w.sink }),
  "SinkService/RestartSink": (w) => ({ name: w.sink }),
  "SinkService/RotateSigningSecret": (w) => ({ name: w.sink }),
  "SinkService/WatchSinkTest": (w) => ({
    parent: w.stream,
    sink: { file: { directory: "tried" } },
  }),
  "SinkService/TestSink": (w) => ({
    parent: w.stream,
    sink: { webhook: { url: "http://127.0.0.1:1/" } },
  }),
  "SinkService/PreviewSink": (w) => ({ parent: w.stream, records: ['{"n":1}'] }),
  "SinkService/PreviewHeldRecords": (w) => ({ name: w.sink }),
  "SinkService/ListHeldRecords": (w) => ({ parent: w.sink }),
  "SinkService/ListStagedChunks": (w) => ({ parent: w.sink }),
  "SinkService/ReadStagedCsv": (w) => ({ name: w.sink }),
  "SinkService/ReplayHeldRecords": (w) => ({ name: w.sink, places: ["1-0"] }),
  "SinkService/DiscardHeldRecords": (w) => ({ name: w.sink, places: ["1-0"] }),

  "SourceService/CreateSource": (w) => ({
    parent: w.stream,
    sourceId: w.id(),
    source: { apiKey: {} },
    validateOnly: true,
  }),
  "SourceService/GetSource": (w) => ({ name: w.source }),
  "SourceService/ListSources": (w) => ({ parent: w.stream }),
  "SourceService/UpdateSource": (w) => ({ source: { name: w.source, etag: stale } }),
  "SourceService/DeleteSource": (w) => ({ name: w.source, etag: stale }),
  "SourceService/RotateSourceKey": (w) => ({ name: w.source }),
  "SourceService/TestSource": (w) => ({ name: w.source, body: btoa('{"n":1}') }),
  "SourceService/ListQuarantinedRecords": (w) => ({ parent: w.source }),
  "SourceService/ResendQuarantinedRecords": (w) => ({ name: w.source }),
  "SourceService/DiscardQuarantinedRecords": (w) => ({ name: w.source }),

  "StreamService/CreateStream": (w) => ({
    parent: w.project,
    streamId: w.id(),
    stream: { schema },
    validateOnly: true,
  }),
  "StreamService/GetStream": (w) => ({ name: w.stream }),
  "StreamService/ListStreams": (w) => ({ parent: w.project }),
  "StreamService/UpdateStream": (w) => ({ stream: { name: w.stream, etag: stale } }),
  "StreamService/InferSchema": (w) => ({ parent: w.project, samples: ['{"n":1}'] }),
  "StreamService/DeleteStream": (w) => ({ name: w.stream, etag: stale }),
  "StreamService/UndeleteStream": async (w) => ({ name: await w.fresh("deleted stream") }),
  "StreamService/ListSchemaProposals": (w) => ({ parent: w.stream }),
  "StreamService/AcceptSchemaProposal": async (w) => ({ name: await w.fresh("proposal") }),
  "StreamService/DismissSchemaProposal": async (w) => ({ name: await w.fresh("proposal") }),
  "TaskService/GetTask": async (w) => ({ name: await w.fresh("task") }),
  "TaskService/ListTasks": (w) => ({ parent: w.project }),
  "TaskService/CancelTask": async (w) => ({ name: await w.fresh("task") }),

  "VersionService/ListVersions": (w) => ({ parent: w.sink }),
  "VersionService/GetVersion": (w) => ({ name: `${w.sink}/versions/1` }),
  "VersionService/CompareVersions": (w) => ({ parent: w.sink, from: "1" }),
  "VersionService/RestoreVersion": (w) => ({ name: `${w.stream}/versions/1` }),

  "DeletedService/ListDeleted": (w) => ({ parent: w.project }),
  "DeletedService/Undelete": async (w) => ({ name: await w.fresh("deleted") }),
  "DeletedService/PurgeDeleted": async (w) => ({ name: await w.fresh("deleted") }),

  "MigrationService/CreateMigration": (w) => ({
    parent: w.sink,
    sinkId: w.id(),
    sink: { file: { directory: "moved" } },
    validateOnly: true,
  }),
  "MigrationService/GetMigration": (w) => ({ name: w.migration }),
  "MigrationService/ListMigrations": (w) => ({ parent: w.sink }),

  "ReplayService/CreateReplay": (w) => ({
    parent: w.sink,
    selection: { sequences: {} },
    validateOnly: true,
  }),
  "ReplayService/GetReplay": (w) => ({ name: w.replay }),
  "ReplayService/ListReplays": (w) => ({ parent: w.sink }),

  "StreamService/CreateBranch": (w) => ({ parent: w.stream, branchId: w.id() }),
  "StreamService/GetBranch": (w) => ({ name: `${w.stream}/branches/main` }),
  "StreamService/ListBranches": (w) => ({ parent: w.stream }),
  "StreamService/DeleteBranch": async (w) => ({ name: await w.fresh("branch") }),

  "TokenService/CreateToken": (w) => ({
    parent: w.project,
    token: {
      kind: "SERVICE",
      resource: w.stream,
      role: "VIEWER",
      operations: ["api:use-streams-read"],
      description: "x",
    },
  }),
  "TokenService/GetToken": (w) => ({ name: w.token }),
  "TokenService/ListTokens": (w) => ({ parent: w.project }),
  "TokenService/UpdateToken": (w) => ({ token: { name: w.token, etag: stale } }),
  "TokenService/DeleteToken": async (w) => ({ name: await w.fresh("token") }),
  "TokenService/RefreshSinkTokens": (w) => ({ parent: w.sink }),
  "TokenService/RefreshToken": async (w) => ({ name: await w.fresh("token") }),

  "UsageService/GetUsage": (w) => ({ name: w.project }),
  "UsageService/GetBalance": (w) => ({ name: w.project }),
  "UsageService/ListLedger": (w) => ({ project: w.project }),
  "UsageService/AddCredit": (w) => ({ project: w.project, amountMicros: "1", requestId: w.id() }),
  "UsageService/Refund": (w) => ({
    stream: w.stream,
    day: "2026-01-01",
    records: "1",
    requestId: w.id(),
  }),
  "UsageService/UpdateBalancePolicy": (w) => ({ project: w.project }),
};
