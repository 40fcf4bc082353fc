/** Mail, where the operator named a server for it. */

import type { Config } from "../config.ts";
import type { MasterKey } from "../core/envelope.ts";
import type { Logger } from "../core/logger.ts";
import { makeUid } from "../core/uid.ts";
import type { Database } from "../db/client.ts";
import { createMailStore } from "../db/mail-store.ts";
import { type Mailer, noMailer, startMailer } from "../mail/mailer.ts";
import { createSmtpSender } from "../mail/smtp-sender.ts";
import type { Closers } from "./closers.ts";

/** What mail stands on. */
export interface MailParts {
  readonly config: Config;
  readonly database: Database;
  readonly masterKey: MasterKey;
  readonly logger: Logger;
}

/** Starts the sender of mails; without SMTP_URL one that says so. */
export function openMailer(
  { config, database, masterKey, logger }: MailParts,
  closers: Closers,
): Mailer {
  const from = config.TRIBUTARY_MAIL_FROM ?? config.SMTP_URL?.from;
  if (!config.SMTP_URL || from === undefined) return noMailer;
  const mailer = startMailer({
    store: createMailStore(database),
    sendMail: createSmtpSender(config.SMTP_URL, from),
    from,
    masterKey,
    logger,
    makeUid,
  });
  closers.add("mailer", mailer.close);
  return mailer;
}
