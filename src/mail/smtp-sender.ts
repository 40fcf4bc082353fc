/** One attempt to hand a mail to the SMTP server (RFC 5321), by nodemailer. */
import type { NodemailerError } from "nodemailer";
import type { SmtpServer } from "./smtp-url.ts";

/** A mail with its text in clear. */
export interface ReadyMail {
  /** Stable over attempts, so that a receiver can tell a repeated mail. */
  readonly messageId: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** How an attempt ended. */
export type Attempt =
  | { readonly kind: "sent" }
  /** The server will never take this mail. */
  | { readonly kind: "refused"; readonly error: string }
  /** `isServerAway`: nothing can be sent at the moment, so the other mails need not try. */
  | { readonly kind: "retry"; readonly error: string; readonly isServerAway: boolean };

/** Sends mails one at a time. */
export type SendMail = (mail: ReadyMail, signal: AbortSignal) => Promise<Attempt>;

const CONNECT_MS = 10_000;
const SILENCE_MS = 20_000;
const ERROR_MAX = 300;

/**
 * Sends through `server` as `from`. A password goes over the network only inside TLS, and certificates
 * are always checked; on loopback plain text is fine.
 */
export function createSmtpSender(server: SmtpServer, from: string): SendMail {
  const { host, port, isSecure, user, password } = server;
  const isLoopback = isLoopbackHost(host);
  // A node that sends no mail goes without nodemailer.
  const openTransport = async () =>
    (await import("nodemailer")).createTransport({
      host,
      port,
      secure: isSecure,
      requireTLS: user !== undefined && !isSecure && !isLoopback,
      ignoreTLS: isLoopback,
      ...(user !== undefined && { auth: { user, pass: password ?? "" } }),
      connectionTimeout: CONNECT_MS,
      dnsTimeout: CONNECT_MS,
      greetingTimeout: CONNECT_MS,
      socketTimeout: SILENCE_MS,
    });
  let transport: ReturnType<typeof openTransport> | undefined;
  return async ({ messageId, to, subject, text }, signal) => {
    try {
      transport ??= openTransport();
      await (await transport).sendMail({
        from,
        to: { address: to, name: "" },
        messageId,
        subject,
        text,
        headers: { "Auto-Submitted": "auto-generated" },
        disableFileAccess: true,
        disableUrlAccess: true,
        signal,
      });
      return { kind: "sent" };
    } catch (error) {
      return attemptOf(error as NodemailerError);
    }
  };
}

/** Whether a server is on this machine: there plain text is fine. */
export function isLoopbackHost(host: string): boolean {
  return /^(127\.|::1$|localhost$)/.test(host);
}

/** A 5yz answer to the recipient or the content is for good (RFC 5321, 4.2.1); all else may pass. */
function attemptOf(fault: NodemailerError): Attempt {
  const error = (fault.response ?? fault.message).replace(/\p{Cc}+/gu, " ").slice(0, ERROR_MAX);
  const isOfMail = /^(RCPT TO|DATA)$/.test(fault.command ?? "");
  if (fault.permanent && isOfMail) return { kind: "refused", error };
  return { kind: "retry", error, isServerAway: !isOfMail };
}
