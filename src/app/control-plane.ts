/** Services that manage: their stores are Postgres, their effects reach delivery and the log. */

import { Task_Kind } from "#gen/tributary/management/v1/task_pb.js";
import { type AuditLog, createAuditLog } from "../audit/audit-log.ts";
import { openAuditUpkeep } from "../audit/audit-upkeep.ts";
import { accessRules } from "../auth/access-rules.ts";
import { type Auth, openAuth } from "../auth/auth.ts";
import { createOpaqueTokens } from "../auth/opaque-tokens.ts";
import { createUseNotes } from "../auth/use-notes.ts";
import { noteApplicationUse } from "../catalog/application-store.ts";
import { createBranchCopier } from "../catalog/copy-branch.ts";
import { createLogPurger, type LogPlace } from "../catalog/log-purger.ts";
import { createMigrator } from "../catalog/migrate-task.ts";
import type { SinkCatalog } from "../catalog/sink-catalog.ts";
import { createSinkChanger, createSinkMaker } from "../catalog/sink-task.ts";
import { startTaskRunner, type TaskRunner } from "../catalog/task-runner.ts";
import { noteTokenUse } from "../catalog/token-store.ts";
import { startUpkeep } from "../catalog/upkeep.ts";
import { makeUid } from "../core/uid.ts";
import type { Delivery } from "../delivery/delivery.ts";
import type { RangeReader } from "../delivery/replay/record-range.ts";
import { tallyRange } from "../delivery/replay/tally-range.ts";
import { sinkDrivers } from "../sinks/index.ts";
import { createArchiveTrial } from "./archive.ts";
import type { Closers } from "./closers.ts";
import { createCountedLog } from "./counted-log.ts";
import { environmentOf } from "./environment.ts";
import type { Foundations } from "./foundations.ts";
import { createHeldView } from "./held-view.ts";
import { createReplayCount, createReplayHandler, openRangeReader } from "./moves.ts";
import { openSessions, type SessionParts } from "./people.ts";
import { tokenRate } from "./rates.ts";
import { noteClientRefusals } from "./refusals.ts";
import { OWN_SERVICES } from "./services.ts";
import { createStagedView } from "./staged-view.ts";

/** What the services of the control plane share. */
export function openCatalog(
  foundations: Foundations,
  delivery: Delivery,
  closers: Closers,
): SinkCatalog {
  const { database, bus, snapshot, masterKey, logger } = foundations;
  const waitForCount = createCountedLog(foundations);
  const purgeLog = async (log: LogPlace) => {
    if (!(await waitForCount(log))) {
      logger.warn("the last records of a deleted log may not be counted", { log: log.uid });
    }
    await bus.deleteLog(log);
  };
  const purger = createLogPurger({ database, logger, purgeLog });
  closers.add("log purger", purger.close);
  const environment = environmentOf(foundations);
  const range = openRangeReader(foundations);
  let tasks: TaskRunner | undefined;
  const catalog: SinkCatalog = {
    wakeTasks: () => tasks?.wake(),
    database,
    masterKey,
    logger,
    refresh: snapshot.refresh,
    logs: foundations.reader,
    tryArchive: createArchiveTrial(foundations),
    sealGeneration: async (log, generation) => {
      await bus.sealGeneration({ ...log, generation });
    },
    purger,
    waitForCount,
    shards: bus.shards,
    now: Date.now,
    makeUid: () => makeUid(),
    drivers: sinkDrivers,
    templates: foundations.templates,
    environmentOf: (identity) => ({ ...identity, ...environment }),
    statuses: { statuses: delivery.statuses },
    held: createHeldView(delivery.held),
    moves: delivery.held,
    countReplay: createReplayCount(foundations, range),
    tallyLog: (part, signal) => tallyRange(range, part, signal),
    staged: createStagedView(delivery.staged),
  };
  closers.add("upkeep", startUpkeep(catalog).close);
  tasks = openTasks(foundations, delivery, { range, catalog });
  if (tasks) closers.add("tasks", tasks.close);
  return catalog;
}

/** Some tasks do nothing but wait for long, for a sink that fails or is paused. */
const TASKS_AT_ONCE = 16;

/** The workers, on nodes that serve the API. */
function openTasks(
  foundations: Foundations,
  delivery: Delivery,
  { range, catalog }: { readonly range: RangeReader; readonly catalog: SinkCatalog },
): TaskRunner | undefined {
  const { config, database, bus, snapshot, logger } = foundations;
  if (!config.TRIBUTARY_ROLES.includes("api")) return undefined;
  const logs = { definitions: snapshot, reader: foundations.reader, writer: bus.writer };
  return startTaskRunner({
    database,
    logger,
    handlers: {
      [Task_Kind.COPY_BRANCH]: createBranchCopier(logs),
      [Task_Kind.REPLAY]: createReplayHandler(foundations, delivery, range),
      [Task_Kind.MIGRATE]: createMigrator(catalog),
      [Task_Kind.CREATE_SINK]: createSinkMaker(catalog),
      [Task_Kind.UPDATE_SINK]: createSinkChanger(catalog),
    },
    concurrency: TASKS_AT_ONCE,
    onEnded: snapshot.refresh,
  });
}

const DAY_MS = 24 * 60 * 60_000;

/** The audit log, open until the port is closed. */
export function openAudit({ database, logger, config }: Foundations, closers: Closers): AuditLog {
  const audit = createAuditLog({ database, logger, makeUid: () => makeUid() });
  closers.add("audit log", audit.close);
  const retentionMs = config.TRIBUTARY_AUDIT_DAYS * DAY_MS;
  const upkeep = openAuditUpkeep({ database, logger, retentionMs });
  closers.add("upkeep of the audit log", upkeep.close);
  return audit;
}

/** Tokens and access control. `publicUrl` is asked for when a token is issued or checked. */
export async function openAccess(
  { audit, ...foundations }: Foundations & { readonly audit: AuditLog },
  publicUrl: () => string,
  closers: Closers,
): Promise<SessionParts & { readonly auth: Auth }> {
  let opened: Auth | undefined;
  const parts = openSessions(foundations, () => opened!, closers);
  const { database, snapshot, masterKey, logger, config } = foundations;
  const uses = createUseNotes({
    save: (clientId, time) =>
      database.acrossProjects((queries) => noteApplicationUse(queries, clientId, time)),
    logger,
  });
  closers.add("notes of use", uses.close);
  const tokenUses = createUseNotes({
    save: (uid, time) => database.acrossProjects((queries) => noteTokenUse(queries, uid, time)),
    logger,
  });
  closers.add("notes of tokens' use", tokenUses.close);
  const { refresh } = snapshot;
  const tokens = tokenRate(config, foundations.counts.share);
  const issuerPath = new URL(config.PUBLIC_URL ?? "http://localhost").pathname.replace(/\/$/, "");
  opened = await openAuth({
    database,
    masterKey,
    definitions: snapshot,
    issuer: publicUrl,
    issuerPath,
    logger,
    nodes: foundations.bus.nodes,
    shareCounts: foundations.counts.share,
    rules: accessRules(OWN_SERVICES),
    onRefused: noteClientRefusals(audit),
    rotateAfterMs: (config.TRIBUTARY_SIGNING_KEY_DAYS || Number.POSITIVE_INFINITY) * DAY_MS,
    verifiers: {
      session: parts.sessions.verifier,
      token: createOpaqueTokens({ definitions: snapshot, refresh, onUsed: tokenUses.note }),
    },
    cookie: parts.cookie,
    onIssued: ({ clientId }) => uses.note(clientId),
    ...(tokens && { tokenWaitOf: (clientId: string) => tokens.take(clientId).waitMs }),
  });
  closers.add("access", opened.close);
  return { ...parts, auth: opened };
}
