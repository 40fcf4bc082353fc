/** What tells of deliveries: the attempt log of a node, and what the services need. */
import { maskConfig } from "../catalog/sink-kind.ts";
import { makeUid } from "../core/uid.ts";
import type { Delivery } from "../delivery/delivery.ts";
import { createEgressGuard } from "../sinks/egress.ts";
import { createGuardedFetch } from "../sinks/guarded-fetch.ts";
import { sinkDrivers } from "../sinks/index.ts";
import type { AlertServiceParts } from "../watch/alert-service.ts";
import { startAlertTeller } from "../watch/alert-teller.ts";
import { startAlertWatch } from "../watch/alert-watch.ts";
import { openAttemptLog, type RunningAttemptLog } from "../watch/attempt-log.ts";
import { startLedgerKeeper } from "../watch/ledger-keeper.ts";
import type { TraceParts } from "../watch/trace-sink.ts";
import type { Closers } from "./closers.ts";
import { environmentOf } from "./environment.ts";
import type { Foundations } from "./foundations.ts";

const DAY_MS = 86_400_000;

/** Opens the attempt log: to be closed after delivery. */
export function openAttempts(
  { database, logger, config }: Foundations,
  closers: Closers,
): RunningAttemptLog {
  const log = openAttemptLog({
    database,
    logger,
    limits: {
      ageMs: config.TRIBUTARY_ATTEMPT_DAYS * DAY_MS,
      rows: config.TRIBUTARY_ATTEMPT_ROWS,
      bytes: config.TRIBUTARY_ATTEMPT_BYTES,
    },
    mask: (sink) => maskConfig(sinkDrivers, sink),
  });
  closers.add("attempt log", log.close);
  return log;
}

/** What the services work with. */
export function watchParts(
  { database, snapshot, reader, templates, logger }: Foundations,
  delivery: Delivery,
): TraceParts {
  return {
    standing: delivery.standing,
    parkedKeys: delivery.parkedKeys,
    partitions: delivery.partitions,
    statuses: delivery.statuses,
    database,
    definitions: snapshot,
    reader,
    templates,
    logger,
    now: Date.now,
  };
}

/** What alerts are kept and told with. */
export function alertParts(foundations: Foundations): AlertServiceParts {
  const { database, snapshot, logger, masterKey, mailer, config } = foundations;
  const guard = createEgressGuard(environmentOf(foundations));
  return {
    database,
    logger,
    masterKey,
    mailer,
    fetch: createGuardedFetch(guard),
    checkHost: guard.resolve,
    publicUrl: config.PUBLIC_URL,
    definitions: snapshot,
    makeUid: () => makeUid(),
    now: Date.now,
  };
}

/** Watches the sinks that this node delivers for, and tells what goes wrong with them. */
export function openAlerts(foundations: Foundations, delivery: Delivery, closers: Closers): void {
  const { database, logger, snapshot, config } = foundations;
  if (!config.TRIBUTARY_ROLES.includes("deliver")) return;
  const teller = startAlertTeller(alertParts(foundations));
  closers.add("telling of alerts", teller.close);
  const watch = startAlertWatch({
    database,
    logger,
    definitions: snapshot,
    makeUid: () => makeUid(),
    isOwner: delivery.isOwner,
    statuses: delivery.statuses,
    lossesOf: delivery.lossesOf,
    onOpened: teller.wake,
  });
  const keeper = startLedgerKeeper({
    database,
    logger,
    definitions: snapshot,
    isOwner: delivery.isOwner,
    statuses: delivery.statuses,
  });
  closers.add("ledgers", async () => keeper.close());
  closers.add("watch of sinks", async () => watch.close());
}
