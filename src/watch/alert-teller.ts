/**
 * Tells alerts: mails go to the outbox of the mailer, which has its own patience; a webhook is tried
 * again over a day. What is due stands in the database, so any node may tell it, one at a time.
 */
import type { MasterKey } from "../core/envelope.ts";
import type { Logger } from "../core/logger.ts";
import type { Database } from "../db/client.ts";
import type { GuardedFetch } from "../sinks/guarded-fetch.ts";
import { signerOf, signWebhook } from "../sinks/webhook/signature.ts";
import { bodyOf, mailOf, type Told } from "./alert-messages.ts";
import { type AlertSettingsRow, findAlertSettings, secretOfRow } from "./alert-settings-store.ts";
import {
  type AlertRow,
  countAlertsSince,
  forgetAlerts,
  noteTold,
  takeAlert,
} from "./alert-store.ts";

/** As much of a mailer as is needed. */
export interface AlertMailer {
  readonly isConfigured: boolean;
  send(mail: {
    readonly to: string;
    readonly subject: string;
    readonly text: string;
    readonly projectUid: string;
    readonly key: string;
  }): Promise<void>;
}

/** What telling needs. */
export interface TellerParts {
  readonly database: Database;
  readonly logger: Logger;
  readonly masterKey: MasterKey;
  readonly mailer: AlertMailer;
  /** Asks webhooks, through the egress guard. */
  readonly fetch: GuardedFetch;
  /** Address of the console; undefined when it is not known. */
  readonly publicUrl: string | undefined;
  readonly now: () => number;
}

/** A teller that runs. */
export interface AlertTeller {
  /** Something is due now. */
  wake(): void;
  /** The one under way gets 5 s. Idempotent. */
  close(): Promise<void>;
}

const EVERY_MS = 5_000;
/** Longer than mails and an attempt take: while it lasts nobody else tells the alert. */
const LEASE_MS = 120_000;
/** Waits between attempts of a webhook: with the first one eight, over 22 hours. */
const WAITS_MS = [30_000, 120_000, 600_000, 3_600_000, 10_800_000, 21_600_000, 43_200_000];
const HOUR_MS = 3_600_000;
/** Alerts of one project that are told within an hour; more are only listed. */
const HOURLY_MAX = 100;
const KEPT_MS = 90 * 86_400_000;
const CLOSE_MS = 5_000;

/** Starts the task that tells; its owner closes it. */
export function startAlertTeller(parts: TellerParts): AlertTeller {
  let isClosed = false;
  let running: Promise<void> | undefined;
  let forgottenAtMs = 0;
  const round = async () => {
    while (!isClosed && (await tellNext(parts)));
    if (parts.now() - forgottenAtMs < HOUR_MS) return;
    forgottenAtMs = parts.now();
    const before = new Date(parts.now() - KEPT_MS);
    await parts.database.acrossProjects((queries) => forgetAlerts(queries, before));
  };
  const wake = () => {
    if (isClosed) return;
    running ??= round()
      .catch((error: unknown) => {
        parts.logger.debug("alerts cannot be told for now", { error: String(error) });
      })
      .finally(() => {
        running = undefined;
      });
  };
  const timer = setInterval(wake, EVERY_MS);
  timer.unref();
  return {
    wake,
    async close() {
      isClosed = true;
      clearInterval(timer);
      let late: NodeJS.Timeout | undefined;
      const limit = new Promise<void>((resolve) => {
        late = setTimeout(resolve, CLOSE_MS);
      });
      await Promise.race([running, limit]);
      clearTimeout(late);
    },
  };
}

/** Tells the alert that waits longest; false when none is due. */
async function tellNext(parts: TellerParts): Promise<boolean> {
  const { database } = parts;
  const now = new Date(parts.now());
  const taken = await database.acrossProjects(async (queries) => {
    const alert = await takeAlert(queries, now, new Date(parts.now() + LEASE_MS));
    if (!alert) return undefined;
    const since = new Date(parts.now() - HOUR_MS);
    return {
      alert,
      settings: await findAlertSettings(queries, alert.projectUid),
      recent: await countAlertsSince(queries, alert, since),
    };
  });
  if (!taken) return false;
  const told = await tell(parts, taken);
  await database.acrossProjects((queries) => noteTold(queries, taken.alert.uid, told));
  return true;
}

async function tell(
  parts: TellerParts,
  taken: {
    readonly alert: AlertRow;
    readonly settings: AlertSettingsRow;
    readonly recent: number;
  },
) {
  const { alert, settings, recent } = taken;
  const done = { dueTime: null };
  const isWanted = settings.kinds.length === 0 || settings.kinds.includes(alert.kind);
  if (!isWanted) return done;
  const isFirst = alert.webhookAttempts === 0;
  if (isFirst && recent >= HOURLY_MAX) {
    const mailError = `not told: the project had ${HOURLY_MAX} alerts within an hour`;
    return { ...done, mailError };
  }
  const mails = isFirst ? await sendMails(parts, settings, alert) : {};
  if (settings.webhookUrl === "") return { ...mails, ...done };
  const webhookAttempts = alert.webhookAttempts + 1;
  const { error: webhookError } = await callWebhook(parts, settings, alert);
  const noted = { ...mails, webhookAttempts, webhookError };
  if (webhookError === "") return { ...noted, ...done, webhookTime: new Date(parts.now()) };
  const waitMs = WAITS_MS[alert.webhookAttempts];
  return { ...noted, dueTime: waitMs === undefined ? null : new Date(parts.now() + waitMs) };
}

/** Gives mails to the outbox, one for each recipient. Never rejects. */
export async function sendMails(
  { mailer, publicUrl }: Pick<TellerParts, "mailer" | "publicUrl">,
  { recipients, projectUid }: AlertSettingsRow,
  told: Told,
): Promise<{ mailCount: number; mailError: string }> {
  let mailCount = 0;
  let mailError = "";
  if (recipients.length > 0 && !mailer.isConfigured) {
    return {
      mailCount,
      mailError: "this installation sends no mail: its operator has to set SMTP_URL",
    };
  }
  for (const to of recipients) {
    try {
      const key = `alert-${told.uid}-${to}`.slice(0, 200);
      await mailer.send({ to, ...mailOf(told, publicUrl), projectUid, key });
      mailCount += 1;
    } catch (error) {
      mailError = error instanceof Error ? error.message : String(error);
    }
  }
  return { mailCount, mailError };
}

/** Posts to the webhook, signed. Never rejects; `error` is empty when it answered 2xx. */
export async function callWebhook(
  parts: Pick<TellerParts, "fetch" | "masterKey" | "now">,
  settings: AlertSettingsRow,
  told: Told,
): Promise<{ status: number; error: string }> {
  try {
    const body = bodyOf(told);
    const timestamp = Math.floor(parts.now() / 1_000);
    const id = `msg_${told.uid}`;
    const signer = signerOf(secretOfRow(parts.masterKey, settings) ?? "");
    const signed = { id, timestamp, body: Buffer.from(body) };
    const response = await parts.fetch(settings.webhookUrl, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "user-agent": "tributary/1",
        "webhook-id": id,
        "webhook-timestamp": String(timestamp),
        ...(signer && { "webhook-signature": signWebhook([signer], signed) }),
      },
      body,
    });
    const { status } = response;
    return { status, error: status >= 200 && status < 300 ? "" : `it answered ${status}` };
  } catch (error) {
    return { status: 0, error: describe(error) };
  }
}

/** Without addresses, which errors of sockets name. */
function describe(error: unknown): string {
  const { reason, code, name, message } = error as Error & { reason?: unknown; code?: unknown };
  if (typeof reason === "string") return message;
  if (typeof code === "string") return `the connection failed: ${code}`;
  return name === "TimeoutError" || name === "AbortError" ? "no answer in time" : "it failed";
}
