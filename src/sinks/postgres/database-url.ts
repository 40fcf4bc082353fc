/** How TLS is used, as libpq's `sslmode`. */
export type TlsMode = "disable" | "prefer" | "require" | "verify-full";

/** A database, taken apart. Never log it: it holds the password. */
export interface DatabaseAddress {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly tls: TlsMode;
  /** Certificates in PEM that the server's must lead to; empty or not set: those generally trusted. */
  readonly authority?: string;
}

const TLS_MODES: readonly string[] = ["disable", "prefer", "require", "verify-full"];

/**
 * Parses `postgres://user:password@host:port/database?sslmode=…`; a string says what is wrong with it,
 * without any part of the text (which may hold the password).
 */
export function parseDatabaseUrl(text: string): DatabaseAddress | string {
  if (!/^postgres(ql)?:\/\//.test(text)) return "must begin with postgres://";
  if (!URL.canParse(text)) return "is not a URL: postgres://user:password@host:port/database";
  const url = new URL(text);
  if (url.hostname === "") return "must name a host";
  if (url.username === "") return "must name a user";
  if (url.pathname.length < 2 || url.pathname.indexOf("/", 1) >= 0) return "must name one database";
  for (const name of url.searchParams.keys()) {
    if (name !== "sslmode") return "may have no other parameter than sslmode";
  }
  const tls = url.searchParams.get("sslmode") ?? "prefer";
  if (!TLS_MODES.includes(tls)) return `sslmode must be one of ${TLS_MODES.join(", ")}`;
  try {
    return {
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port === "" ? 5432 : Number(url.port),
      database: decodeURIComponent(url.pathname.slice(1)),
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      tls: tls as TlsMode,
    };
  } catch {
    return "has a % that is not followed by two hexadecimal digits";
  }
}

/** The URL without its password; empty when it cannot be parsed. */
export function maskDatabaseUrl(text: string): string {
  if (!URL.canParse(text)) return "";
  const url = new URL(text);
  url.password = "";
  return url.href;
}

/**
 * A new URL with the saved password, when it has none itself and names the same user, host and port: a
 * password must not travel to another server.
 */
export function keepPassword(next: string, saved: string): string {
  if (!URL.canParse(next) || !URL.canParse(saved)) return next;
  const [url, old] = [new URL(next), new URL(saved)];
  const isSame = url.username === old.username && url.host === old.host;
  if (url.password !== "" || !isSame) return next;
  url.password = old.password;
  return url.href;
}
