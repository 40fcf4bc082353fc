/** The way in: what pushes, sources and their owners share. */
import type { AuditLog } from "../audit/audit-log.ts";
import type { Auth } from "../auth/auth.ts";
import { checkFresh } from "../auth/authenticate-client.ts";
import { watchSchemaDrift } from "../catalog/schema-drift.ts";
import { addSourceStats, noteKeyUse } from "../catalog/source-store.ts";
import { addStreamRefusals } from "../catalog/stream-refusals.ts";
import { createOpenCalls, type OpenCalls } from "../core/open-calls.ts";
import type { Principal } from "../core/principal.ts";
import { createSharedLook } from "../core/shared-look.ts";
import { makeUid } from "../core/uid.ts";
import { type Admission, createAdmission } from "../ingest/admission.ts";
import { createIngest, type Ingest } from "../ingest/ingest.ts";
import { createPushCounts, type PushCounts } from "../ingest/push-counts.ts";
import { createPushLimits } from "../ingest/push-limits.ts";
import { createQuarantine, type Quarantine } from "../ingest/quarantine.ts";
import { createRefusedRecords, type RefusedRecords } from "../ingest/refused-records.ts";
import { createReplays, REPLAY_AGE_MS, type Replays } from "../ingest/replays.ts";
import { createSourceDesk, type SourceDesk } from "../ingest/source-desk.ts";
import { createSourceLane } from "../ingest/source-lane.ts";
import { createSourceStats, type SourceStatsKeeper } from "../ingest/source-stats.ts";
import { createLiveCounts, type LiveCounts } from "../records/live-logs.ts";
import { sendError, sendText } from "../server/answer.ts";
import type { Lane } from "../server/route.ts";
import { createGateFinder } from "../sources/source-gate.ts";
import { watchQuotas } from "../usage/quota-watch.ts";
import type { Closers } from "./closers.ts";
import type { Foundations } from "./foundations.ts";
import { callerRate, type LimitCaller } from "./rates.ts";
import { noteBoth, notePushRefusals, noteUnreadPushes } from "./refusals.ts";

/** Some 5 million names of signed requests. */
const REPLAY_BYTES_MAX = 1024 * 1024 * 1024;
const SWEEP_MS = 10 * 60_000;
const SWEEP_FRESH_MS = 30_000;

/** What is opened once on every node. */
export interface WayIn {
  readonly ingest: Ingest;
  readonly admission: Admission;
  readonly quarantine: Quarantine;
  readonly replays: Replays;
  readonly desk: SourceDesk;
  readonly stats: SourceStatsKeeper;
  readonly counts: PushCounts;
  readonly liveCounts: LiveCounts;
  readonly refused: RefusedRecords;
  readonly openCalls: OpenCalls;
  /** Undefined while callers have no limit of their own. */
  readonly limitCaller: LimitCaller | undefined;
}

/** Opens the way in. */
export async function openWayIn(
  foundations: Foundations,
  publicUrl: () => string,
  closers: Closers,
): Promise<WayIn> {
  const { snapshot, bus, database, logger, config } = foundations;
  const watch = watchQuotas({ database, logger });
  closers.add("quotas", watch.close);
  const drift = watchSchemaDrift({ ...foundations, makeUid, now: Date.now, publicUrl });
  closers.add("schema drift", drift.close);
  const counts = createPushCounts();
  const refused = createRefusedRecords({
    logger,
    save: (counts) => database.acrossProjects((queries) => addStreamRefusals(queries, counts)),
  });
  closers.add("counts of refused records", refused.close);
  const ingest = createIngest({
    counts,
    definitions: snapshot,
    lookAgain: createSharedLook(snapshot.refresh),
    log: bus.writer,
    reader: bus.reader,
    durabilityWarning: () => bus.durability.warning ?? "",
    limits: createPushLimits({ definitions: snapshot, ...watch }),
    onDrift: drift.note,
    onRefused: refused.note,
  });
  foundations.feed.connect(ingest);
  const admission = createAdmission();
  closers.add("admission", () => admission.close());
  const [quarantineStore, replayStore] = await Promise.all([
    bus.openKeyedStore("quarantine"),
    bus.openKeyedStore("replays", { maxAgeMs: REPLAY_AGE_MS, maxBytes: REPLAY_BYTES_MAX }),
  ]);
  const quarantine = createQuarantine(quarantineStore);
  const replays = createReplays(replayStore);
  closers.add("sweeper of the quarantine", sweepQuarantine(quarantine, foundations));
  const stats = createSourceStats({
    logger,
    save: (counts, time) =>
      database.acrossProjects(async (queries) => {
        const rows = counts.map(({ firstTimeMs, lastTimeMs, keyUids: _, ...row }) => ({
          ...row,
          firstTime: firstTimeMs === undefined ? null : new Date(firstTimeMs),
          lastTime: lastTimeMs === undefined ? null : new Date(lastTimeMs),
        }));
        await addSourceStats(queries, rows);
        await noteKeyUse(
          queries,
          counts.flatMap((each) => [...each.keyUids]),
          time,
        );
      }),
  });
  closers.add("counts of sources", stats.close);
  const desk = createSourceDesk({ ingest, quarantine });
  const openCalls = createOpenCalls(snapshot);
  return {
    ingest,
    admission,
    quarantine,
    replays,
    desk,
    stats,
    counts,
    liveCounts: createLiveCounts(),
    refused,
    openCalls,
    limitCaller: callerRate(config),
  };
}

/** Removes what is kept of sources that are gone, now and then; gives what ends it. */
function sweepQuarantine(quarantine: Quarantine, { snapshot, logger }: Foundations): () => void {
  const sweeper = setInterval(() => {
    // Only definitions that are surely fresh tell what is gone.
    if (Date.now() - snapshot.freshAtMs() > SWEEP_FRESH_MS) return;
    quarantine
      .sweep((uid) => snapshot.sourceByUid(uid) !== undefined, Date.now())
      .catch((error: unknown) => logger.debug("the quarantine is swept later", { error }));
  }, SWEEP_MS);
  sweeper.unref();
  return () => clearInterval(sweeper);
}

/** The lane of `/in/…`; `authenticate` finds out who sends a bearer token. */
export function openSourceLane(
  { snapshot }: Foundations,
  { desk: _, ...wayIn }: WayIn,
  access: {
    readonly audit: AuditLog;
    readonly auth: Auth;
    readonly authenticate: (request: {
      readonly method?: string | undefined;
      readonly url?: string | undefined;
      readonly headers: Readonly<Record<string, string | string[] | undefined>>;
    }) => Principal | Promise<Principal>;
  },
): Lane {
  const { authorizePush } = access.auth.authorizer;
  const gateOf = createGateFinder({
    authenticateBearer({ method, path, headers }, source) {
      const allow = (principal: Principal) => {
        authorizePush(principal, source);
        return principal;
      };
      const found = access.authenticate({ method, url: path, headers });
      return found instanceof Promise ? found.then(allow) : allow(found);
    },
  });
  return createSourceLane({
    ...wayIn,
    definitions: snapshot,
    gateOf,
    checkFresh: (nowMs) => checkFresh(snapshot, nowMs),
    sendError,
    sendText,
    onRefused: noteBoth(
      notePushRefusals({ ...access, ...wayIn }, "POST /in/"),
      noteUnreadPushes(wayIn.refused, (source) =>
        snapshot.stream(source.replace(/\/sources\/.*$/s, "")),
      ),
    ),
  });
}
