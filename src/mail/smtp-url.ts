/** What SMTP_URL says. */

/** A server that takes mail. */
export interface SmtpServer {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte (`smtps://`); else STARTTLS where the server offers it. */
  readonly isSecure: boolean;
  readonly user?: string;
  readonly password?: string;
  /** `?from=`: sender of all mails. */
  readonly from?: string;
}

/** One address, and nothing that a mail header could read as more than one. */
const ADDRESS = /^[^\s@<>()[\]\\,;:"]{1,64}@[^\s@<>()[\]\\,;:"]{1,253}$/u;

/** Whether a text is one plain mail address, such as `ada@example.com`. */
export function isMailAddress(text: string): boolean {
  return text.length <= 254 && ADDRESS.test(text);
}

/** Reads `smtp://user:password@host:587?from=…`; throws an Error that says what is wanted. */
export function parseSmtpUrl(text: string): SmtpServer {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^smtps?:$/.test(url.protocol) || !url.hostname || !/^\/?$/.test(url.pathname)) {
    throw new Error("must look like smtps://user:password@smtp.example.com?from=name@example.com");
  }
  const unknown = [...url.searchParams.keys()].find((name) => name !== "from");
  if (unknown !== undefined) throw new Error(`takes ?from= and no other parameter: ${unknown}`);
  const isSecure = url.protocol === "smtps:";
  const from = url.searchParams.get("from");
  if (from !== null && !isMailAddress(from)) throw new Error("must name a mail address in ?from=");
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(url.port) || (isSecure ? 465 : 587),
    isSecure,
    ...(url.username && { user: decodeURIComponent(url.username) }),
    ...(url.password && { password: decodeURIComponent(url.password) }),
    ...(from !== null && { from }),
  };
}
