import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { type Client, createClient, createRouterTransport } from "@connectrpc/connect";
import { onTestFinished } from "vitest";
import { AccessService } from "#gen/tributary/management/v1/access_service_pb.js";
import { ApplicationService } from "#gen/tributary/management/v1/application_service_pb.js";
import { DeletedService } from "#gen/tributary/management/v1/deleted_service_pb.js";
import { ProjectService } from "#gen/tributary/management/v1/project_service_pb.js";
import { SinkService } from "#gen/tributary/management/v1/sink_service_pb.js";
import { StreamService } from "#gen/tributary/management/v1/stream_service_pb.js";
import { createAccessService } from "../../src/catalog/access-service.ts";
import { createApplicationService } from "../../src/catalog/application-service.ts";
import { createDeletedService } from "../../src/catalog/deleted-service.ts";
import { createLogPurger, type LogPlace } from "../../src/catalog/log-purger.ts";
import { createProjectService } from "../../src/catalog/project-service.ts";
import type {
  HeldRecords,
  SinkCatalog,
  SinkStatusSource,
  StagedRows,
} from "../../src/catalog/sink-catalog.ts";
import { createSinkService } from "../../src/catalog/sink-service.ts";
import { openSnapshot, type Snapshot } from "../../src/catalog/snapshot.ts";
import { createStreamService } from "../../src/catalog/stream-service.ts";
import type { LogInfo } from "../../src/core/log.ts";
import { principalKey } from "../../src/core/principal.ts";
import { makeUid } from "../../src/core/uid.ts";
import { type Database, openDatabase } from "../../src/db/client.ts";
import { migrate } from "../../src/db/migrate.ts";
import { noTemplates } from "../../src/mapping/row-transform.ts";
import { sinkDrivers } from "../../src/sinks/index.ts";
import { quietLogger } from "./quiet-logger.ts";
import { createTestDatabase } from "./shared-servers.ts";

/** Calls as one client. */
export interface CatalogClients {
  projects: Client<typeof ProjectService>;
  streams: Client<typeof StreamService>;
  sinks: Client<typeof SinkService>;
  access: Client<typeof AccessService>;
  applications: Client<typeof ApplicationService>;
  deleted: Client<typeof DeletedService>;
}

export interface TestCatalog {
  url: string;
  database: Database;
  snapshot: Snapshot;
  catalog: SinkCatalog;
  /** What the log was told, in order: `seal <uid> <generation>`, `purge <uid>`. */
  logCalls: string[];
  /** What the log says of every log; empty to begin with. */
  logInfo: LogInfo;
  as(clientId: string): CatalogClients;
}

export interface TestCatalogOptions {
  url?: string;
  masterKey?: Uint8Array;
  sinkDatabaseUrl?: string;
  statuses?: SinkStatusSource;
  held?: HeldRecords;
  now?: () => number;
}

/** The control plane on a database of its own; all ends with the test. */
export async function useTestCatalog(options: TestCatalogOptions = {}): Promise<TestCatalog> {
  const url = options.url ?? (await createTestDatabase());
  const database = openDatabase({ url, logger: quietLogger, max: 5 });
  await migrate(database, quietLogger);
  const masterKey = options.masterKey ?? randomBytes(32);
  const snapshot = await openSnapshot({ database, masterKey, logger: quietLogger });
  const logCalls: string[] = [];
  const purger = createLogPurger({
    database,
    logger: quietLogger,
    ...(options.now && { now: options.now }),
    purgeLog: async (log: LogPlace) => void logCalls.push(`purge ${log.uid}`),
  });
  onTestFinished(async () => {
    purger.close();
    await snapshot.close();
    await database.close();
  });
  const made: TestCatalog = {
    url,
    database,
    snapshot,
    logCalls,
    logInfo: {
      firstSequence: 1,
      lastSequence: 0,
      shardLastSequence: 0,
      messages: 0,
      bytes: 0,
      identity: "",
    },
    catalog: {
      database,
      masterKey,
      logger: quietLogger,
      refresh: snapshot.refresh,
      logs: {
        read: async () => [],
        info: async () => made.logInfo,
        sequenceAt: async (_log, timeMs) => timeMs,
      },
      sealGeneration: async (log, generation) =>
        void logCalls.push(`seal ${log.uid} ${generation}`),
      purger,
      wakeTasks: () => undefined,
      shards: 4,
      now: options.now ?? Date.now,
      makeUid,
      templates: noTemplates,
      drivers: sinkDrivers,
      environmentOf: (identity) => ({
        ...identity,
        logger: quietLogger,
        embeddedDatabaseUrl: options.sinkDatabaseUrl,
        isLoopbackAllowed: true,
        egressAllowList: [],
        fileSinkDir: tmpdir(),
      }),
      statuses: options.statuses ?? { statuses: async () => new Map() },
      held: options.held ?? noHeldRecords,
      moves: { handOver: async () => 1, takeBack: async () => undefined },
      countReplay: async () => ({ count: 0, isExact: true }),
      tallyLog: async () => ({ partitions: new Map(), records: 0 }),
      staged: noStagedRows,
    },
    as: (clientId) => createClients(made.catalog, clientId),
  };
  return made;
}

const noHeldRecords: HeldRecords = {
  list: async () => ({ heldRecords: [], nextPageToken: "" }),
  read: async () => [],
  replay: async () => 0,
  discard: async () => 0,
};

const noStagedRows: StagedRows = {
  list: async () => ({ stagedChunks: [], nextPageToken: "" }),
  read: async () => ({ csv: new Uint8Array(), rows: 0, nextPageToken: "" }),
  flush: async () => undefined,
};

function createClients(catalog: SinkCatalog, clientId: string): CatalogClients {
  const principal = {
    kind: "application" as const,
    credential: "access-token" as const,
    id: clientId,
    projectUid: "",
    operations: new Set(["read", "write", "manage"].map((each) => `api:use-streams-${each}`)),
    tokenId: "",
    expiresAtMs: Number.POSITIVE_INFINITY,
  };
  const transport = createRouterTransport(
    (router) => {
      router.service(ProjectService, createProjectService(catalog));
      router.service(StreamService, createStreamService(catalog));
      router.service(SinkService, createSinkService(catalog));
      router.service(AccessService, createAccessService(catalog));
      router.service(ApplicationService, createApplicationService(catalog));
      router.service(DeletedService, createDeletedService(catalog));
    },
    {
      router: {
        interceptors: [
          (next) => (request) => {
            request.contextValues.set(principalKey, principal);
            return next(request);
          },
        ],
      },
    },
  );
  return {
    projects: createClient(ProjectService, transport),
    streams: createClient(StreamService, transport),
    sinks: createClient(SinkService, transport),
    access: createClient(AccessService, transport),
    applications: createClient(ApplicationService, transport),
    deleted: createClient(DeletedService, transport),
  };
}
