/**
 * Writes the audit log. A change is announced before it is made (its intent) and written before its
 * call is answered; both in a database transaction of their own, not in that of the change, because a
 * call may change several things, also in JetStream, and because the event holds its answer. Whoever
 * dies in between leaves the intent, which upkeep turns into an event of unknown outcome: no change
 * is without an event, and a change that cannot be announced is not made. Refusals, of which an
 * attacker can make any number, go through a bounded queue.
 */
import type { AuditEvent } from "#gen/tributary/management/v1/audit_event_pb.js";
import { fail } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Database } from "../db/client.ts";
import { type AuditEntry, eventOf } from "./audit-entry.ts";
import { insertEvent } from "./audit-store.ts";
import { deleteIntent, insertIntent } from "./intent-store.ts";
import { createRefusalNotes } from "./refusal-notes.ts";

/** An announced change. */
export interface AuditIntent {
  readonly uid: string;
}

/** The open audit log. */
export interface AuditLog {
  /**
   * Announces a change; `entry` holds what is known before it. Fails with DATABASE_UNAVAILABLE, and
   * then the change must not be made.
   */
  begin(entry: Omit<AuditEntry, "code">): Promise<AuditIntent>;
  /**
   * Resolves when the event is stored, in place of its intent. Fails with DATABASE_UNAVAILABLE, logs
   * the event, and leaves the intent.
   */
  record(entry: AuditEntry, intent?: AuditIntent): Promise<void>;
  /** Takes back what was announced, as nothing was changed. Never fails: an intent that stays tells too much. */
  dismiss(intent: AuditIntent): Promise<void>;
  /** Notes a call that changed nothing, soon: so many a minute, and the number of those beyond. */
  noteRefusal(entry: AuditEntry): void;
  /** Writes what is queued. */
  close(): Promise<void>;
}

/** What the audit log works with. */
export interface AuditLogOptions {
  readonly database: Database;
  readonly logger: Logger;
  readonly makeUid: () => string;
  readonly now?: () => number;
}

const FLUSH_MS = 500;
/** While Postgres is away refusals gather no further than this. */
const QUEUE_MAX = 1_000;

/** Opens the audit log; its owner closes it. */
export function createAuditLog(options: AuditLogOptions): AuditLog {
  const { database, logger, makeUid, now = Date.now } = options;
  const event = (entry: AuditEntry, count = 1): AuditEvent =>
    eventOf(entry, { uid: makeUid(), timeMs: now(), count });
  const refusals = createRefusalQueue(options, event);
  return {
    async begin(entry) {
      const uid = makeUid();
      const announced = eventOf(
        { ...entry, code: "unknown", reason: "OUTCOME_UNKNOWN" },
        { uid, timeMs: now() },
      );
      await insertIntent(database, announced).catch((cause: unknown) => {
        const text = "nothing was changed: the audit log takes no events now";
        throw fail("DATABASE_UNAVAILABLE", text, { retryAfterMs: 1_000, cause });
      });
      return { uid };
    },
    async record(entry, intent) {
      const made = event(entry);
      try {
        await insertEvent(database, made, intent?.uid);
      } catch (error) {
        logger.error("a change could not be written to the audit log", {
          ...entry,
          principal: entry.principal?.id,
          error,
        });
        throw fail(
          "DATABASE_UNAVAILABLE",
          "the change was made, but could not be written to the audit log",
          { retryAfterMs: 1_000, cause: error },
        );
      }
    },
    async dismiss({ uid }) {
      await deleteIntent(database, uid).catch((error: unknown) => {
        logger.debug("an announced change stays in the audit log", { error });
      });
    },
    noteRefusal: refusals.note,
    close: refusals.close,
  };
}

function createRefusalQueue(
  { database, logger, now = Date.now }: AuditLogOptions,
  event: (entry: AuditEntry, count?: number) => AuditEvent,
) {
  const notes = createRefusalNotes(now);
  const queue: AuditEvent[] = [];
  let flushing = Promise.resolve();
  const turn = (isForced?: boolean) => {
    for (const { entry, count } of notes.turn(isForced)) queue.push(event(entry, count));
  };
  const flush = async () => {
    turn();
    for (let next = queue[0]; next; next = queue[0]) {
      await insertEvent(database, next);
      queue.shift();
    }
  };
  const flushNext = () => {
    flushing = flushing.then(flush).catch((error: unknown) => {
      logger.warn("refused calls could not be written to the audit log yet", { error });
    });
    return flushing;
  };
  const timer = setInterval(() => void flushNext(), FLUSH_MS);
  timer.unref();
  return {
    note(entry: AuditEntry) {
      turn();
      if (queue.length < QUEUE_MAX && notes.take(entry)) queue.push(event(entry));
    },
    async close() {
      clearInterval(timer);
      turn(true);
      await flushNext();
    },
  };
}
