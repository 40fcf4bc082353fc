/** The table of all variables of the environment: how each is read, its fallback, its words. */
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import {
  addressRanges,
  cidrs,
  dnsServers,
  issuerAddress,
  list,
  mailAddress,
  serverAddress,
  webAddress,
} from "./config-addresses.ts";
import { LOG_LEVELS, type LogLevel } from "./core/logger.ts";
import { parseSmtpUrl, type SmtpServer } from "./mail/smtp-url.ts";

/** Parts of the server that a node may run. */
export const ROLES = ["api", "push", "deliver"] as const;

/** One of the parts. */
export type Role = (typeof ROLES)[number];

/** How one variable is read. */
export interface Variable<T> {
  /** Reads the text; throws an Error whose message says what is wanted. */
  readonly parse: (text: string) => T;
  /** Value when the variable is not set or empty. */
  readonly fallback: T;
  /** How the README shows the fallback. */
  readonly shown: string;
  readonly doc: string;
  /** Whether `<NAME>_FILE` may name a file that holds the value. */
  readonly isSecret?: boolean;
}

const text = (value: string): string => value;
const optionalText = (value: string): string | undefined => value;
const path = (value: string): string | undefined => resolve(value);

function integer(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < min || number > max) {
      throw new Error(`must be a whole number from ${min} to ${max}`);
    }
    return number;
  };
}

function flag(value: string): boolean | undefined {
  if (value === "1" || value === "true") return true;
  if (value === "0" || value === "false") return false;
  throw new Error("must be 1 or 0");
}

function logLevel(value: string): LogLevel {
  const level = LOG_LEVELS.find((l) => l === value);
  if (!level) throw new Error(`must be one of ${LOG_LEVELS.join(", ")}`);
  return level;
}

function roles(value: string): readonly Role[] {
  const wanted = list(value).map((item) => ROLES.find((role) => role === item));
  if (wanted.length === 0 || wanted.includes(undefined)) {
    throw new Error(`must be a list of ${ROLES.join(", ")}`);
  }
  return wanted.filter((role) => role !== undefined);
}

function masterKey(value: string): Buffer | undefined {
  const key = Buffer.from(value, "base64");
  if (key.length !== 32) throw new Error("must be 32 bytes in base64 (openssl rand -base64 32)");
  return key;
}

const none: string | undefined = undefined;
const noFlag: boolean | undefined = undefined;
const noSmtp: SmtpServer | undefined = undefined;
const noKey: Buffer | undefined = undefined;
const every: readonly Role[] = ROLES;
const empty: readonly string[] = [];

/** The table. Its order is the order of the README, and a test keeps the two equal. */
export const VARIABLES = {
  PORT: {
    parse: integer(0, 65_535),
    fallback: 8080,
    shown: "8080",
    doc: "Port that serves everything; 0 picks a free one.",
  },
  HOST: {
    parse: text,
    fallback: "127.0.0.1",
    shown: "127.0.0.1",
    doc: "Address to listen on. Anything but loopback needs TLS, see below.",
  },
  PUBLIC_URL: {
    parse: webAddress,
    fallback: none,
    shown: "http://HOST:PORT",
    doc: "Address under which callers reach the server; the issuer of its tokens.",
  },
  DATABASE_URL: {
    parse: serverAddress("postgres:", "postgresql:"),
    fallback: none,
    shown: "embedded Postgres",
    doc: "Postgres for the definitions.",
    isSecret: true,
  },
  NATS_URL: {
    parse: serverAddress("nats:", "tls:"),
    fallback: none,
    shown: "embedded nats-server",
    doc: "NATS servers with JetStream, joined by commas; user and password in the address.",
    isSecret: true,
  },
  LOG_LEVEL: {
    parse: logLevel,
    fallback: "warn" as LogLevel,
    shown: "warn",
    doc: "Least level of log lines: debug, info, warn, error, silent.",
  },
  SMTP_URL: {
    parse: (value: string): SmtpServer | undefined => parseSmtpUrl(value),
    fallback: noSmtp,
    shown: "none: no mail is sent",
    doc: "Server that takes mail: smtps://user:password@host?from=address, or smtp:// with STARTTLS.",
    isSecret: true,
  },
  TRUSTED_PROXIES: {
    parse: addressRanges,
    fallback: empty,
    shown: "none",
    doc: "Addresses and CIDRs of proxies whose X-Forwarded-For or Forwarded is believed, joined by commas.",
  },
  TRIBUTARY_DATA_DIR: {
    parse: path,
    fallback: none,
    shown: ".tributary",
    doc: "Folder of the embedded servers' data, keys and demo.env.",
  },
  TRIBUTARY_CACHE_DIR: {
    parse: path,
    fallback: none,
    shown: "~/.cache/tributary",
    doc: "Folder where a nats-server that had to be installed is kept.",
  },
  TRIBUTARY_NATS_SERVER: {
    parse: path,
    fallback: none,
    shown: "found or installed",
    doc: "Path of the nats-server program to embed.",
  },
  TRIBUTARY_ROLES: {
    parse: roles,
    fallback: every,
    shown: "api,push,deliver",
    doc: "Parts that this node runs; `--roles` does the same.",
  },
  TRIBUTARY_DEMO: {
    parse: flag,
    fallback: noFlag,
    shown: "1 on loopback with an embedded Postgres",
    doc: "Whether the demo project is made at the first start.",
  },
  TRIBUTARY_SIGNING_KEY_DAYS: {
    parse: integer(0, 3650),
    fallback: 90,
    shown: "90",
    doc: "Age in days at which the key that signs access tokens gets a successor; 0 for never.",
  },
  TRIBUTARY_ATTEMPT_DAYS: {
    parse: integer(1, 90),
    fallback: 7,
    shown: "7",
    doc: "Days for which attempts to deliver are kept.",
  },
  TRIBUTARY_ATTEMPT_ROWS: {
    parse: integer(100, 1_000_000),
    fallback: 10_000,
    shown: "10000",
    doc: "Attempts of one sink that are kept: this many successes, and as many failures.",
  },
  TRIBUTARY_ATTEMPT_BYTES: {
    parse: integer(100_000, 1_000_000_000),
    fallback: 16 * 1024 * 1024,
    shown: "16777216",
    doc: "Bytes of attempts of one sink that are kept, of successes and failures each.",
  },
  TRIBUTARY_SHARDS: {
    parse: integer(1, 256),
    fallback: 8,
    shown: "8",
    doc: "Number of JetStream streams that hold the logs. May grow, never shrink.",
  },
  TRIBUTARY_TEMPLATE_THREADS: {
    parse: integer(1, 64),
    fallback: Math.max(1, Math.min(4, availableParallelism() - 1)),
    shown: "cores - 1, 1 to 4",
    doc: "Threads that evaluate the templates of mappings; they start when the first is needed.",
  },
  TRIBUTARY_NATS_REPLICAS: {
    parse: integer(1, 5),
    fallback: 1,
    shown: "1",
    doc: "Copies of each shard on a NATS cluster: 1, 3 or 5.",
  },
  TRIBUTARY_MASTER_KEY: {
    parse: masterKey,
    fallback: noKey,
    shown: "<data dir>/master.key",
    doc: "32 bytes in base64 that encrypt secrets at rest; the same on every node.",
    isSecret: true,
  },
  TRIBUTARY_MASTER_KEY_PREVIOUS: {
    parse: masterKey,
    fallback: noKey,
    shown: "none",
    doc: "Another master key that opens secrets at rest, while keys change: see Secrets.",
    isSecret: true,
  },
  TRIBUTARY_OPERATOR_SECRET: {
    parse: optionalText,
    fallback: none,
    shown: "none",
    doc: "Secret of the application `operator`, which may make projects; at least 32 characters.",
    isSecret: true,
  },
  TRIBUTARY_OIDC_ISSUER: {
    parse: issuerAddress,
    fallback: none,
    shown: "none",
    doc: "OpenID Connect provider that people may sign in with; it must know PUBLIC_URL/auth/oidc/callback.",
  },
  TRIBUTARY_OIDC_CLIENT_ID: {
    parse: optionalText,
    fallback: none,
    shown: "none",
    doc: "Id under which the provider knows this installation.",
  },
  TRIBUTARY_OIDC_CLIENT_SECRET: {
    parse: optionalText,
    fallback: none,
    shown: "none",
    doc: "Secret that goes with it.",
    isSecret: true,
  },
  TRIBUTARY_OIDC_NAME: {
    parse: text,
    fallback: "single sign-on",
    shown: "single sign-on",
    doc: "What people call the provider.",
  },
  TRIBUTARY_MAIL_FROM: {
    parse: mailAddress,
    fallback: none,
    shown: "?from= of SMTP_URL",
    doc: "Address that mails come from.",
  },
  TRIBUTARY_TLS_CERT: {
    parse: path,
    fallback: none,
    shown: "none",
    doc: "Certificate chain in PEM; read again when it changes.",
  },
  TRIBUTARY_TLS_KEY: {
    parse: path,
    fallback: none,
    shown: "none",
    doc: "Private key in PEM; read again when it changes.",
  },
  TRIBUTARY_TRUST_PROXY_TLS: {
    parse: flag,
    fallback: noFlag,
    shown: "0",
    doc: "1 says that a proxy in front ends TLS, so HOST may be any address.",
  },
  TRIBUTARY_RATE_TOKEN: {
    parse: integer(0, 1_000_000),
    fallback: 6_000,
    shown: "6000",
    doc: "Calls of `/oauth2/` that an address, and tokens that an application, gets in a minute on this node; 0 for no limit.",
  },
  TRIBUTARY_RATE_SIGN_IN: {
    parse: integer(0, 1_000_000),
    fallback: 300,
    shown: "300",
    doc: "Sign-ins and sign-ups that an address may try in a minute on this node; 0 for no limit.",
  },
  TRIBUTARY_RATE_PUSH: {
    parse: integer(0, 1_000_000),
    fallback: 0,
    shown: "0",
    doc: "Pushes that a caller may make in a second on this node; 0 for no limit.",
  },
  TRIBUTARY_RATE_PUSH_ADDRESS: {
    parse: integer(0, 1_000_000),
    fallback: 0,
    shown: "0",
    doc: "Pushes that an address may make in a second on this node; 0 for no limit.",
  },
  TRIBUTARY_EGRESS_ALLOW: {
    parse: cidrs,
    fallback: empty,
    shown: "none",
    doc: "Private CIDRs that sinks may reach, joined by commas.",
  },
  TRIBUTARY_EGRESS_LOOPBACK: {
    parse: flag,
    fallback: noFlag,
    shown: "1 on loopback with embedded servers",
    doc: "Whether sinks may reach loopback addresses.",
  },
  TRIBUTARY_DNS_SERVERS: {
    parse: dnsServers,
    fallback: empty,
    shown: "the system's",
    doc: "DNS servers for the hosts of sinks and the proof that a host is its owner's: addresses, with a port or without, joined by commas.",
  },
  TRIBUTARY_FILE_SINK_DIR: {
    parse: path,
    fallback: none,
    shown: "<data dir>/files",
    doc: "Root folder of file sinks.",
  },
  TRIBUTARY_AWS_ACCESS_KEY_ID: {
    parse: optionalText,
    fallback: none,
    shown: "none",
    doc: "Access key id of the server's own AWS identity, which assumes the roles of sinks.",
  },
  TRIBUTARY_AWS_SECRET_ACCESS_KEY: {
    parse: optionalText,
    fallback: none,
    shown: "none",
    doc: "Secret access key that belongs to it.",
    isSecret: true,
  },
} satisfies Record<string, Variable<unknown>>;
