/**
 * Sends mails from a durable outbox: `send` returns when the mail is kept, and one task of each node
 * sends what is due. Any number of nodes may do so, each mail is at one of them at a time. A mail may
 * go out twice when a node dies between the server's answer and its note; both have one Message-ID.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type MasterKey, openSecret, sealSecret } from "../core/envelope.ts";
import { fail } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { checkMail, type Mail, type MailStore, type WaitingMail } from "./mail.ts";
import type { SendMail } from "./smtp-sender.ts";

/** What other parts know of mail. */
export interface Mailer {
  /** Whether mails can be sent at all; when not, show the person what the mail would say. */
  readonly isConfigured: boolean;
  /**
   * Keeps a mail, to be sent as soon as the server takes it, for a day at most. Fails with
   * MAIL_NOT_CONFIGURED, INVALID_FIELDS, and OVERLOADED while 10,000 mails wait.
   */
  send(mail: Mail): Promise<void>;
}

/** A mailer that runs. */
export interface RunningMailer extends Mailer {
  /** The mail under way gets 5 s. Idempotent. */
  close(): Promise<void>;
}

/** What the mailer works with. */
export interface MailerOptions {
  readonly store: MailStore;
  readonly sendMail: SendMail;
  /** Address of the sender, for Message-IDs. */
  readonly from: string;
  readonly masterKey: MasterKey;
  readonly logger: Logger;
  readonly makeUid: () => string;
  readonly now?: () => number;
  /** In [0, 1). */
  readonly random?: () => number;
  /** How often the outbox is looked at when nothing wakes the task; 5 s. */
  readonly everyMs?: number;
  /** Wait after the first failed attempt; 10 s. */
  readonly firstWaitMs?: number;
}

const WAITING_MAX = 10_000;
const ATTEMPT_MS = 60_000;
/** Longer than an attempt: while it lasts nobody else takes the mail. */
const LEASE_MS = 120_000;
const WAIT_MAX_MS = 3_600_000;
const GIVE_UP_MS = 86_400_000;
const KEPT_MS = 30 * 86_400_000;
const FORGET_EVERY_MS = 3_600_000;
const CLOSE_MS = 5_000;

/** The mailer of an installation without SMTP_URL. */
export const noMailer: Mailer = {
  isConfigured: false,
  send: () => {
    const text = "this installation sends no mail: its operator has to set SMTP_URL";
    return Promise.reject(fail("MAIL_NOT_CONFIGURED", text));
  },
};

/** Starts the task that sends; its owner closes it. */
export function startMailer(options: MailerOptions): RunningMailer {
  const { store, masterKey, logger, makeUid, now = Date.now, everyMs = 5_000 } = options;
  const stopping = new AbortController();
  let wake = Promise.withResolvers<void>();
  let forgottenAt = 0;

  const round = async () => {
    while (!stopping.signal.aborted && (await sendNext(options, now())));
    if (now() - forgottenAt < FORGET_EVERY_MS) return;
    forgottenAt = now();
    await store.forget(new Date(now() - KEPT_MS));
  };
  const run = async () => {
    while (!stopping.signal.aborted) {
      wake = Promise.withResolvers<void>();
      await round().catch((error: unknown) => logger.warn("the outbox rests for now", { error }));
      const timer = delay(everyMs, undefined, { signal: stopping.signal, ref: false });
      await Promise.race([wake.promise, timer]).catch(() => undefined);
    }
  };
  const running = run();
  return {
    isConfigured: true,
    async send(mail) {
      checkMail(mail);
      const uid = makeUid();
      const sealedText = sealSecret(masterKey, Buffer.from(mail.text), contextOf(uid));
      const { to: recipient, subject, projectUid, key } = mail;
      const createTime = new Date(now());
      const kept = { uid, recipient, subject, sealedText, projectUid, key, createTime };
      if (!(await store.add(kept, WAITING_MAX))) {
        throw fail("OVERLOADED", `${WAITING_MAX} mails wait for the mail server`, {
          retryAfterMs: 60_000,
        });
      }
      wake.resolve();
    },
    async close() {
      stopping.abort();
      await Promise.race([running, delay(CLOSE_MS, undefined, { ref: false })]);
    },
  };
}

/** Sends the next mail that is due; false when there is none, or the server is away. */
async function sendNext(options: MailerOptions, startMs: number): Promise<boolean> {
  const { store, logger, now = Date.now } = options;
  const mail = await store.take(new Date(startMs), new Date(startMs + LEASE_MS));
  if (!mail) return false;
  const attempt = await attemptMail(options, mail);
  if (attempt.kind === "sent") {
    await store.sent(mail.uid, new Date(now()));
    return true;
  }
  const { error } = attempt;
  const nextMs = now() + waitMs(options, mail.attempts);
  const isGivenUp = attempt.kind === "refused" || nextMs > mail.createTime.getTime() + GIVE_UP_MS;
  logger.warn("a mail was not taken", {
    mail: mail.uid,
    attempts: mail.attempts,
    error,
    isGivenUp,
  });
  await store.failed(mail.uid, { error, ...(!isGivenUp && { nextTime: new Date(nextMs) }) });
  return attempt.kind === "refused" || !attempt.isServerAway;
}

async function attemptMail({ sendMail, masterKey, from }: MailerOptions, mail: WaitingMail) {
  let text: string;
  try {
    text = openSecret(masterKey, mail.sealedText, contextOf(mail.uid)).toString();
  } catch (error) {
    return { kind: "refused", error: (error as Error).message } as const;
  }
  const messageId = `<${mail.uid}@${from.slice(from.lastIndexOf("@") + 1)}>`;
  const { recipient: to, subject } = mail;
  return await sendMail({ messageId, to, subject, text }, AbortSignal.timeout(ATTEMPT_MS));
}

/** Doubles up to an hour, ± 10 %. */
function waitMs({ random = Math.random, firstWaitMs = 10_000 }: MailerOptions, attempts: number) {
  return Math.min(firstWaitMs * 2 ** (attempts - 1), WAIT_MAX_MS) * (0.9 + 0.2 * random());
}

function contextOf(uid: string): string {
  return `mails/${uid}`;
}
