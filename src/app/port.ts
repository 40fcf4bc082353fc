/** Everything that the one port serves, by the roles of this node. */

import { AccessRule_Operation } from "#gen/tributary/access/v1/access_pb.js";
import { AccessService } from "#gen/tributary/management/v1/access_service_pb.js";
import { AccountService } from "#gen/tributary/management/v1/account_service_pb.js";
import { AlertService } from "#gen/tributary/management/v1/alert_service_pb.js";
import { ApplicationService } from "#gen/tributary/management/v1/application_service_pb.js";
import { AuditService } from "#gen/tributary/management/v1/audit_service_pb.js";
import { CatalogService } from "#gen/tributary/management/v1/catalog_service_pb.js";
import { DeletedService } from "#gen/tributary/management/v1/deleted_service_pb.js";
import { DeliveryService } from "#gen/tributary/management/v1/delivery_service_pb.js";
import { InstallationService } from "#gen/tributary/management/v1/installation_service_pb.js";
import { MigrationService } from "#gen/tributary/management/v1/migration_service_pb.js";
import { ProjectService } from "#gen/tributary/management/v1/project_service_pb.js";
import { ReplayService } from "#gen/tributary/management/v1/replay_service_pb.js";
import { SinkService } from "#gen/tributary/management/v1/sink_service_pb.js";
import { SourceService } from "#gen/tributary/management/v1/source_service_pb.js";
import { StreamService } from "#gen/tributary/management/v1/stream_service_pb.js";
import { TaskService } from "#gen/tributary/management/v1/task_service_pb.js";
import { TokenService } from "#gen/tributary/management/v1/token_service_pb.js";
import { UsageService } from "#gen/tributary/management/v1/usage_service_pb.js";
import { VersionService } from "#gen/tributary/management/v1/version_service_pb.js";
import { OAuth2Service } from "#gen/tributary/oauth2/v1/oauth2_service_pb.js";
import { PushService } from "#gen/tributary/push/v1/push_service_pb.js";
import {
  RecordService,
  TailRecordsResponseSchema,
} from "#gen/tributary/records/v1/record_service_pb.js";
import type { AuditLog } from "../audit/audit-log.ts";
import { createAuditService } from "../audit/audit-service.ts";
import type { Auth } from "../auth/auth.ts";
import { createAccessService } from "../catalog/access-service.ts";
import { createApplicationService } from "../catalog/application-service.ts";
import { createCatalogService } from "../catalog/catalog-service.ts";
import { createDeletedService } from "../catalog/deleted-service.ts";
import { createInstallationService } from "../catalog/installation-service.ts";
import { createMigrationService } from "../catalog/migration-service.ts";
import { createProjectService } from "../catalog/project-service.ts";
import { createReplayService } from "../catalog/replay-service.ts";
import type { SinkCatalog } from "../catalog/sink-catalog.ts";
import { createSinkService } from "../catalog/sink-service.ts";
import { createSourceService } from "../catalog/source-service.ts";
import { createStreamService } from "../catalog/stream-service.ts";
import { createTaskService } from "../catalog/task-service.ts";
import { createTokenService } from "../catalog/token-service.ts";
import { createVersionService } from "../catalog/version-service.ts";
import type { Principal } from "../core/principal.ts";
import type { Delivery } from "../delivery/delivery.ts";
import { isPushHead } from "../ingest/lane-route.ts";
import { createPushLane } from "../ingest/push-lane.ts";
import { createPushService } from "../ingest/push-service.ts";
import { createAccountService } from "../people/account-service.ts";
import type { People } from "../people/people.ts";
import { createRecordService } from "../records/record-service.ts";
import { createAddressRates } from "../server/address-rates.ts";
import { sendError } from "../server/answer.ts";
import { openConsole } from "../server/console.ts";
import { sendGrpcError } from "../server/grpc-answer.ts";
import { createPort, type Port, type PortOptions } from "../server/listen.ts";
import { encodeStoredValues } from "../server/lossless-json.ts";
import type { ReadinessCheck } from "../server/probes.ts";
import type { Lane } from "../server/route.ts";
import { createServerHandler } from "../server/router.ts";
import type { Registration } from "../server/rpc.ts";
import { createUsageService } from "../usage/usage-service.ts";
import { createAlertService } from "../watch/alert-service.ts";
import { createDeliveryService } from "../watch/delivery-service.ts";
import type { Closers } from "./closers.ts";
import type { Foundations } from "./foundations.ts";
import { openMailDesk } from "./mail.ts";
import { openMetrics } from "./metrics.ts";
import { openOidcRoutes } from "./oidc.ts";
import { openPoller } from "./poller.ts";
import { addressRates } from "./rates.ts";
import { noteBoth, notePushRefusals, noteUnreadPushes } from "./refusals.ts";
import { packageVersion } from "./version.ts";
import { alertParts, watchParts } from "./watch.ts";
import { openSourceLane, openWayIn, type WayIn } from "./way-in.ts";

/** What the port is made of. */
export interface PortParts {
  readonly foundations: Foundations;
  readonly catalog: SinkCatalog;
  readonly auth: Auth;
  /** Address of the installation, once it is known. */
  readonly publicUrl: () => string;
  readonly audit: AuditLog;
  readonly delivery: Delivery;
  readonly people: People;
  /** 0 for the first process of the node, then 1 and so on for those that share its port. */
  readonly worker: number;
}

/** Opens the port. */
export async function openPort(parts: PortParts, closers: Closers): Promise<Port> {
  const { config, logger } = parts.foundations;
  const wayIn = await openWayIn(parts.foundations, parts.publicUrl, closers);
  if (config.TRIBUTARY_ROLES.includes("push")) openPoller(parts.foundations, wayIn, closers);
  await openMetrics(parts, wayIn, closers);
  const push = config.TRIBUTARY_ROLES.includes("push") ? openPush(parts, wayIn) : undefined;
  const handler = createServerHandler({
    services: [
      ...(config.TRIBUTARY_ROLES.includes("api") ? managementServices(parts, wayIn) : []),
      ...(push ? [push.register] : []),
    ],
    gate: parts.auth.gate,
    logger,
    lanes: [
      createAddressRates(addressRates(config, parts.foundations.counts.share)),
      ...(push?.lanes ?? []),
    ],
    audit: parts.audit,
    routes: config.TRIBUTARY_ROLES.includes("api")
      ? [...parts.auth.routes, ...openOidcRoutes(parts)]
      : [],
    checks: readinessChecks(parts.foundations),
    version: packageVersion(),
    publicUrl: config.PUBLIC_URL,
    console: config.TRIBUTARY_ROLES.includes("api") ? openConsole() : undefined,
  });
  const tls =
    config.TRIBUTARY_TLS_CERT && config.TRIBUTARY_TLS_KEY
      ? { certFile: config.TRIBUTARY_TLS_CERT, keyFile: config.TRIBUTARY_TLS_KEY }
      : undefined;
  return createPort({
    host: config.HOST,
    port: config.PORT,
    trustedProxies: config.TRUSTED_PROXIES,
    sharing: sharingOf(parts),
    handler: handler.handle,
    ...(push && { short: { lane: handler.lane, isWanted: isPushHead } }),
    onDrain: handler.drain,
    isBehindTls: config.TRIBUTARY_TRUST_PROXY_TLS === true,
    logger,
    ...(tls && { tls }),
  });
}

/** Whether other processes listen on the same port. */
function sharingOf({ foundations: { config }, worker }: PortParts): PortOptions["sharing"] {
  if (config.TRIBUTARY_WORKERS < 2) return undefined;
  return worker > 0 ? "next" : "first";
}

function managementServices(
  { foundations, catalog, auth, people, publicUrl, delivery }: PortParts,
  { desk, openCalls, liveCounts }: WayIn,
): Registration[] {
  const { snapshot, bus } = foundations;
  const sourceCatalog = { ...catalog, desk, publicUrl };
  const records = createRecordService({
    definitions: snapshot,
    reader: foundations.reader,
    follower: bus,
    recheck: auth.authenticator.recheck,
    openCalls,
    liveCounts,
    encodeJson: encodeStoredValues(TailRecordsResponseSchema),
    now: Date.now,
  });
  return [
    (router) => router.service(ProjectService, createProjectService(catalog)),
    (router) => router.service(StreamService, createStreamService(catalog)),
    (router) => router.service(SinkService, createSinkService(catalog)),
    (router) => router.service(VersionService, createVersionService(sourceCatalog)),
    (router) => router.service(DeletedService, createDeletedService(catalog)),
    (router) => router.service(MigrationService, createMigrationService(catalog)),
    (router) => router.service(ReplayService, createReplayService(catalog)),
    (router) => router.service(SourceService, createSourceService(sourceCatalog)),
    (router) => router.service(ApplicationService, createApplicationService(catalog)),
    (router) => router.service(AccessService, createAccessService(catalog)),
    (router) => router.service(CatalogService, createCatalogService(catalog.drivers)),
    (router) => router.service(AlertService, createAlertService(alertParts(foundations))),
    (router) =>
      router.service(DeliveryService, createDeliveryService(watchParts(foundations, delivery))),
    (router) =>
      router.service(
        InstallationService,
        createInstallationService(catalog, openMailDesk(foundations)),
      ),
    (router) => router.service(UsageService, createUsageService(catalog)),
    (router) => router.service(TaskService, createTaskService(catalog)),
    (router) => router.service(TokenService, createTokenService(catalog)),
    (router) => router.service(AuditService, createAuditService(foundations)),
    (router) => router.service(AccountService, createAccountService(people)),
    (router) => router.service(OAuth2Service, auth.service),
    (router) => router.service(RecordService, records),
  ];
}

/** The lanes of pushes and sources, and the generated handlers of PushService, over one way in. */
function openPush(
  { foundations, auth, audit }: PortParts,
  wayIn: WayIn,
): { readonly lanes: readonly Lane[]; readonly register: Registration } {
  const { ingest, admission, openCalls, limitCaller, counts } = wayIn;
  const { authorizePush } = auth.authorizer;
  const authenticate = (request: Parameters<typeof authenticateHead>[1]) =>
    authenticateHead(auth, request);
  const lane = createPushLane({
    ingest,
    admission,
    authenticate,
    limitCaller,
    authorizePush,
    sendError,
    sendGrpcError,
    onRefused: noteBoth(
      notePushRefusals({ audit, counts }, "tributary.push.v1.PushService/Push"),
      noteUnreadPushes(wayIn.refused, (name) => foundations.snapshot.stream(name)),
    ),
  });
  const service = createPushService({
    ingest,
    admission,
    openCalls,
    limitCaller,
    authorizePush,
    recheck: auth.authenticator.recheck,
    onRefused: notePushRefusals({ audit, counts }, "tributary.push.v1.PushService/PushStream"),
  });
  const lanes = [lane, openSourceLane(foundations, wayIn, { auth, authenticate, audit })];
  return { lanes, register: (router) => router.service(PushService, service) };
}

const WRITE = { operation: AccessRule_Operation.WRITE };

/** At once for a token that was verified before; and refused before the body when it may not write. */
function authenticateHead(
  { gate }: Auth,
  request: {
    readonly method?: string | undefined;
    readonly url?: string | undefined;
    readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  },
) {
  const allow = (principal: Principal) => {
    gate.authorizeOperation(principal, WRITE);
    return principal;
  };
  const { method = "", url = "", headers } = request;
  const get = (name: string) => {
    const value = headers[name];
    return value === undefined ? null : String(value);
  };
  const found = gate.authenticate({ get }, { method, url });
  return found instanceof Promise ? found.then(allow) : allow(found);
}

function readinessChecks({ database, bus }: Foundations): ReadinessCheck[] {
  return [
    {
      name: "postgres",
      check: async () => {
        await database.sql`select 1`;
      },
    },
    {
      name: "nats",
      check: () => {
        if (!bus.isConnected()) throw new Error("no connection to nats-server");
      },
    },
  ];
}
