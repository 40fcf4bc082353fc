/**
 * Notices what goes wrong with the sinks that this node delivers for, and keeps it as episodes. An
 * episode is opened once, whichever node sees it, and told by `alert-teller.ts`.
 */
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Alert_Kind as Kind } from "#gen/tributary/management/v1/alert_pb.js";
import { Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import type { Definitions, SinkDefinition } from "../core/definitions.ts";
import type { Logger } from "../core/logger.ts";
import type { Database, Queries } from "../db/client.ts";
import { alertSettings } from "../db/schema.ts";
import { LOSS_WARNING_MS } from "./alert-settings-store.ts";
import { type AlertRow, endAlert, listOpenAlerts, openAlert } from "./alert-store.ts";
import { type Condition, conditionsOf, type Status } from "./sink-conditions.ts";

/** What the watch works with. */
export interface AlertWatchOptions {
  readonly database: Database;
  readonly logger: Logger;
  readonly definitions: Pick<Definitions, "sinks" | "streamByLog">;
  readonly makeUid: () => string;
  /** Whether this node delivers what a shard holds. */
  readonly isOwner: (shard: number) => boolean;
  readonly statuses: (sinks: Iterable<SinkDefinition>) => Promise<ReadonlyMap<string, Status>>;
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
  let isLooking = false;
  const look = async () => {
    const sinks = [...definitions.sinks()].filter(({ log }) => isOwner(log.shard));
    const uids = new Set(sinks.map(({ uid }) => uid));
    for (const uid of seen.keys()) if (!uids.has(uid)) seen.delete(uid);
    for (let at = 0; at < sinks.length; at += SINKS_AT_ONCE) {
      await lookAt(options, sinks.slice(at, at + SINKS_AT_ONCE), seen);
    }
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

interface Seen {
  readonly sink: SinkDefinition;
  readonly conditions: readonly Condition[];
  readonly isDelivering: boolean;
}

async function lookAt(
  options: AlertWatchOptions,
  sinks: readonly SinkDefinition[],
  seen: Map<string, string>,
): Promise<void> {
  const { database, now = Date.now } = options;
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
    changed.push({ sink, conditions, isDelivering, mark });
  }
  if (changed.length === 0) return;
  const isOpened = await database.acrossProjects((queries) => settle(options, queries, changed));
  for (const { sink, mark } of changed) seen.set(sink.uid, mark);
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
    changed.map(({ sink }) => sink.uid),
  );
  let isOpened = false;
  const add = async (sink: SinkDefinition, condition: Condition, endTime: Date | null) => {
    const { uid: sinkUid, name: sinkName, projectUid } = sink;
    const alert = { uid: makeUid(), projectUid, sinkUid, sinkName, ...condition };
    const made = await openAlert(queries, { ...alert, createTime: time, endTime }, notBefore);
    isOpened ||= made;
  };
  for (const { sink, conditions, isDelivering } of changed) {
    const own = open.filter(({ sinkUid }) => sinkUid === sink.uid);
    const over = own.filter((row) => isOver(row, conditions, isDelivering));
    for (const row of over) {
      const isEnded = await endAlert(queries, row.uid, time);
      if (isEnded && row.kind === Kind.ERROR) await add(sink, recovered(row, time), time);
    }
    for (const condition of conditions) {
      if (!own.some((row) => row.kind === condition.kind)) await add(sink, condition, null);
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
