/**
 * Writes the audit log. A change is written before its call is answered; refusals, of which an
 * attacker can make any number, go through a bounded queue, and only so many of a minute one by one.
 */
import { create, type JsonObject } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type AuditEvent, AuditEventSchema } from "#gen/tributary/management/v1/audit_event_pb.js";
import { fail } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Principal } from "../core/principal.ts";
import type { Database } from "../db/client.ts";
import { insertEvent } from "./audit-store.ts";

/** One call, without anything secret. */
export interface AuditEntry {
  readonly principal?: Principal | undefined;
  /** Full name of the rpc, `package.Service/Method`, or words for a change that no rpc makes. */
  readonly method: string;
  /** Name of what was changed; empty for the installation. */
  readonly resource: string;
  readonly before?: JsonObject | undefined;
  readonly after?: JsonObject | undefined;
  readonly request?: JsonObject | undefined;
  /** `ok`, or the code of the error. */
  readonly code: string;
  readonly reason?: string | undefined;
  readonly address?: string | undefined;
  readonly requestId?: string | undefined;
}

/** The open audit log. */
export interface AuditLog {
  /** Resolves when the event is stored. Fails with DATABASE_UNAVAILABLE, and then logs the event. */
  record(entry: AuditEntry): Promise<void>;
  /** Notes a call that changed nothing, soon: 120 a minute, and the number of those beyond. */
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

const WINDOW_MS = 60_000;
const REFUSALS_MAX = 120;
const FLUSH_MS = 500;
/** While Postgres is away refusals gather no further than this. */
const QUEUE_MAX = 1_000;

/** Opens the audit log; its owner closes it. */
export function createAuditLog(options: AuditLogOptions): AuditLog {
  const { database, logger, makeUid, now = Date.now } = options;
  const event = (entry: AuditEntry, count = 1): AuditEvent =>
    eventOf(entry, makeUid(), now(), count);
  const queue: AuditEvent[] = [];
  let windowStartMs = 0;
  let noted = 0;
  let beyond = 0;
  let flushing = Promise.resolve();

  const turnWindow = () => {
    if (now() - windowStartMs < WINDOW_MS) return;
    if (beyond > 0) queue.push(event(severalRefusals, beyond));
    windowStartMs = now();
    noted = 0;
    beyond = 0;
  };
  const flush = async () => {
    turnWindow();
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
    async record(entry) {
      const made = event(entry);
      try {
        await insertEvent(database, made);
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
    noteRefusal(entry) {
      turnWindow();
      if (noted >= REFUSALS_MAX || queue.length >= QUEUE_MAX) {
        beyond += 1;
        return;
      }
      noted += 1;
      queue.push(event(entry));
    },
    async close() {
      clearInterval(timer);
      windowStartMs = 0;
      await flushNext();
    },
  };
}

const severalRefusals: AuditEntry = {
  method: "",
  resource: "",
  code: "resource_exhausted",
  reason: "SEVERAL_REFUSALS",
};

function eventOf(entry: AuditEntry, uid: string, timeMs: number, count: number): AuditEvent {
  const { principal, before, after, request } = entry;
  return create(AuditEventSchema, {
    uid,
    createTime: timestampFromMs(timeMs),
    actor: {
      kind: principal?.kind ?? "",
      id: principal?.id ?? "",
      credentialId: principal?.tokenId ?? "",
    },
    method: entry.method,
    resource: entry.resource,
    ...(before && { before }),
    ...(after && { after }),
    ...(request && { request }),
    code: entry.code,
    reason: entry.reason ?? "",
    address: entry.address ?? "",
    requestId: entry.requestId ?? "",
    count: BigInt(count),
  });
}
