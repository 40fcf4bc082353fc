/**
 * Notices what goes wrong with the sinks that this node delivers for, and with their branches, and keeps it as episodes. An
 * episode is opened once, whichever node sees it, and told by `alert-teller.ts`.
 */
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Alert_Kind as Kind } from "#gen/tributary/management/v1/alert_pb.js";
import type { LogLoss } from "#gen/tributary/management/v1/log_loss_pb.js";
import { Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import type { Definitions, SinkDefinition } from "../core/definitions.ts";
import type { Logger } from "../core/logger.ts";
import type { Database, Queries } from "../db/client.ts";
import { alertSettings } from "../db/schema.ts";
import { LOSS_WARNING_MS } from "./alert-settings-store.ts";
import { type AlertRow, endAlert, listOpenAlerts, openAlert } from "./alert-store.ts";
import { readBranchConditions } from "./branch-conditions.ts";
import { type Condition, conditionsOf, type Status } from "./sink-conditions.ts";

/** What the watch works with. */
export interface AlertWatchOptions {
  readonly database: Database;
  readonly logger: Logger;
  readonly definitions: Pick<Definitions, "sinks" | "streamByLog" | "streams" | "sinksOfLog">;
  readonly makeUid: () => string;
  /** Whether this node delivers what a shard holds. */
  readonly isOwner: (shard: number) => boolean;
  readonly statuses: (sinks: Iterable<SinkDefinition>) => Promise<ReadonlyMap<string, Status>>;
  /** What a log has lost, newest first. */
  readonly lossesOf: (logUid: string) => readonly LogLoss[];
  /** Called when episodes were opened. */
  readonly onOpened: () => void;
  readonly now?: () => number;
  /** 5 s. */
  readonly everyMs?: number;
  /** Time from one episode to the next of the same kind; 10 min. */
  readonly apartMs?: number;
}

/** A watch that runs. */
export interface AlertWatch {
  /** Looks now. Fails with DATABASE_UNAVAILABLE or LOG_UNAVAILABLE. */
  look(): Promise<void>;
  close(): void;
}

const EVERY_MS = 5_000;
const APART_MS = 10 * 60_000;
const SINKS_AT_ONCE = 1_000;

/** Starts to watch; its owner closes it. */
export function startAlertWatch(options: AlertWatchOptions): AlertWatch {
  const { definitions, isOwner, logger, everyMs = EVERY_MS } = options;
  /** By sink, what went on when it was last looked at: most looks change nothing and ask no database. */
  const seen = new Map<string, string>();
  const seenBranches = new Map<string, string>();
  let isLooking = false;
  const look = async () => {
    const sinks = [...definitions.sinks()].filter(({ log }) => isOwner(log.shard));
    const uids = new Set(sinks.map(({ uid }) => uid));
    for (const uid of seen.keys()) if (!uids.has(uid)) seen.delete(uid);
    for (let at = 0; at < sinks.length; at += SINKS_AT_ONCE) {
      await lookAt(options, sinks.slice(at, at + SINKS_AT_ONCE), seen);
    }
    await lookAtBranches(options, seenBranches);
  };
  const turn = async () => {
    if (isLooking) return;
    isLooking = true;
    await look()
      .catch((error: unknown) => {
        logger.debug("sinks cannot be watched for now", { error: String(error) });
      })
      .finally(() => {
        isLooking = false;
      });
  };
  const timer = setInterval(() => void turn(), everyMs);
  timer.unref();
  return { look, close: () => clearInterval(timer) };
}

/** A sink, or a branch. */
interface Subject {
  readonly uid: string;
  readonly name: string;
  readonly projectUid: string;
}

interface Seen {
  readonly subject: Subject;
  readonly isBranch: boolean;
  readonly conditions: readonly Condition[];
  readonly isDelivering: boolean;
}

async function lookAt(
  options: AlertWatchOptions,
  sinks: readonly SinkDefinition[],
  seen: Map<string, string>,
): Promise<void> {
  const { now = Date.now } = options;
  const statuses = await options.statuses(sinks);
  const warnings = await readWarnings(options, statuses);
  const changed: (Seen & { readonly mark: string })[] = [];
  for (const sink of sinks) {
    const status = statuses.get(sink.uid);
    if (!status) continue;
    const stream = options.definitions.streamByLog(sink.log.uid);
    const halfAgeMs = (stream?.retentionAgeMs || Number.POSITIVE_INFINITY) / 2;
    const wantedMs = warnings.get(sink.projectUid) ?? LOSS_WARNING_MS;
    const warningMs = Math.min(wantedMs, halfAgeMs);
    const { lagWarning } = sink.versions.at(-1)?.sink ?? {};
    const lagMs = lagWarning && durationMs(lagWarning);
    const conditions = conditionsOf(status, { nowMs: now(), warningMs, lagMs });
    const isDelivering = status.state === Sink_State.RUNNING;
    const mark = `${conditions.map(({ kind }) => kind).join()} ${isDelivering}`;
    // A condition that goes on is asked for again: the one before it may be too near to be told yet.
    if (conditions.length === 0 && seen.get(sink.uid) === mark) continue;
    changed.push({ subject: sink, isBranch: false, conditions, isDelivering, mark });
  }
  if (changed.length === 0) return;
  await settleAll(options, changed);
  for (const { subject, mark } of changed) seen.set(subject.uid, mark);
}

/** Branches of which there is nothing to tell are not remembered, but for the look after they were told. */
async function lookAtBranches(
  options: AlertWatchOptions,
  seen: Map<string, string>,
): Promise<void> {
  const now = options.now ?? Date.now;
  const found = await readBranchConditions({ ...options, now }, seen);
  await settleAll(
    options,
    found.map(({ conditions, ...subject }) => {
      return { subject, isBranch: true, conditions, isDelivering: false };
    }),
  );
  seen.clear();
  for (const { uid, conditions } of found) if (conditions.length > 0) seen.set(uid, "");
}

async function settleAll(options: AlertWatchOptions, changed: readonly Seen[]): Promise<void> {
  if (changed.length === 0) return;
  const isOpened = await options.database.acrossProjects((queries) =>
    settle(options, queries, changed),
  );
  if (isOpened) options.onOpened();
}

/** How long before a loss each project wants to hear of it; not asked while no sink has a loss clock. */
async function readWarnings(
  { database }: AlertWatchOptions,
  statuses: ReadonlyMap<string, Status>,
): Promise<ReadonlyMap<string, number>> {
  if (![...statuses.values()].some(({ loss }) => loss)) return new Map();
  const { projectUid, lossWarningMs } = alertSettings;
  const rows = await database.acrossProjects((queries) =>
    queries.select({ projectUid, lossWarningMs }).from(alertSettings),
  );
  return new Map(rows.map((row) => [row.projectUid, row.lossWarningMs]));
}

/** Ends what is over and opens what is new; gives whether something is to be told. */
async function settle(
  { makeUid, now = Date.now, apartMs = APART_MS }: AlertWatchOptions,
  queries: Queries,
  changed: readonly Seen[],
): Promise<boolean> {
  const time = new Date(now());
  const notBefore = new Date(now() - apartMs);
  const open = await listOpenAlerts(
    queries,
    changed.map(({ subject }) => subject.uid),
  );
  let isOpened = false;
  const add = async (
    { subject, isBranch }: Seen,
    condition: Condition,
    endTime: Date | null,
  ): Promise<void> => {
    const { uid, name: sinkName, projectUid } = subject;
    const owner = isBranch ? { sinkUid: null, logUid: uid } : { sinkUid: uid, logUid: null };
    const alert = { uid: makeUid(), projectUid, ...owner, sinkName, ...condition };
    const made = await openAlert(queries, { ...alert, createTime: time, endTime }, notBefore);
    isOpened ||= made;
  };
  for (const one of changed) {
    const { subject, conditions, isDelivering } = one;
    const own = open.filter(({ sinkUid, logUid }) => (sinkUid ?? logUid) === subject.uid);
    const over = own.filter((row) => isOver(row, conditions, isDelivering));
    for (const row of over) {
      const isEnded = await endAlert(queries, row.uid, time);
      if (isEnded && row.kind === Kind.ERROR) await add(one, recovered(row, time), time);
    }
    for (const condition of conditions) {
      if (!own.some((row) => row.kind === condition.kind)) await add(one, condition, null);
    }
  }
  return isOpened;
}

/** A sink recovers by delivering: one that starts again, or is paused, has not yet. */
function isOver(row: AlertRow, conditions: readonly Condition[], isDelivering: boolean): boolean {
  if (conditions.some(({ kind }) => kind === row.kind)) return false;
  return row.kind !== Kind.ERROR || isDelivering;
}

function recovered({ createTime, reason }: AlertRow, time: Date): Condition {
  const seconds = Math.max(1, Math.round((time.getTime() - createTime.getTime()) / 1_000));
  const message = `delivery goes on after ${seconds} s; what had waited is delivered in order.`;
  return { kind: Kind.RECOVERED, reason, message };
}
