/** Mail, where the operator named a server for it. */

import { MailSettings_Security as Security } from "#gen/tributary/management/v1/installation_pb.js";
import type { MailDesk } from "../catalog/installation-mail.ts";
import type { Config } from "../config.ts";
import type { MasterKey } from "../core/envelope.ts";
import type { Logger } from "../core/logger.ts";
import { makeUid } from "../core/uid.ts";
import type { Database } from "../db/client.ts";
import { createMailStore } from "../db/mail-store.ts";
import { type Mailer, noMailer, startMailer } from "../mail/mailer.ts";
import { createSmtpSender, isLoopbackHost } from "../mail/smtp-sender.ts";
import type { SmtpServer } from "../mail/smtp-url.ts";
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

const TEST_MS = 45_000;

/** What operators see of mail, and their test of it. */
export function openMailDesk({
  config,
  database,
}: Omit<MailParts, "masterKey" | "logger">): MailDesk {
  const server = config.SMTP_URL;
  const from = config.TRIBUTARY_MAIL_FROM ?? server?.from;
  if (!server || from === undefined) {
    return { settings: () => Promise.resolve({}), test: (to) => failTest(to) };
  }
  const store = createMailStore(database);
  const send = createSmtpSender(server, from);
  const { host, port, user = "" } = server;
  const security = securityOf(server);
  return {
    async settings() {
      const { waiting, lastError } = await store.look();
      const facts = { configured: true, host, port, security, user, from };
      return { ...facts, waitingCount: BigInt(waiting), lastError };
    },
    async test(to, signal) {
      const mail = {
        messageId: `<${makeUid()}@${from.slice(from.indexOf("@") + 1)}>`,
        to,
        ...TEST_MAIL,
      };
      const answer = await send(mail, AbortSignal.any([signal, AbortSignal.timeout(TEST_MS)]));
      return answer.kind === "sent" ? "" : answer.error;
    },
  };
}

const TEST_MAIL = {
  subject: "Test of the mail settings",
  text: "The operator of this Tributary installation has sent this mail to try its mail settings.\n",
};

function securityOf({ isSecure, host }: SmtpServer): Security {
  if (isSecure) return Security.TLS;
  return isLoopbackHost(host) ? Security.LOOPBACK : Security.STARTTLS;
}

async function failTest(to: string): Promise<never> {
  await noMailer.send({ to, ...TEST_MAIL });
  throw new Error("a mailer without a server has taken a mail");
}
