/** The table of all variables of the environment: how each is read, its fallback, its words. */
import { availableParallelism } from "node:os";

import { ACCESS_VARIABLES } from "./config-access-variables.ts";
import { addressRanges, serverAddress, webAddress } from "./config-addresses.ts";
import {
  empty,
  every,
  flag,
  integer,
  logLevel,
  noFlag,
  noNumber,
  none,
  noSmtp,
  optionalText,
  path,
  roles,
  text,
  type Variable,
} from "./config-readers.ts";
import { SINK_VARIABLES } from "./config-sink-variables.ts";
import type { LogLevel } from "./core/logger.ts";
import { parseSmtpUrl, type SmtpServer } from "./mail/smtp-url.ts";

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
  TRIBUTARY_WORKERS: {
    parse: integer(1, 64),
    fallback: 1,
    shown: "1",
    doc: "Processes that share the port, each a full node; `--workers` does the same. Linux and FreeBSD only.",
  },
  TRIBUTARY_METRICS_PORT: {
    parse: (value: string): number | undefined => integer(0, 65_535)(value),
    fallback: noNumber,
    shown: "none: no metrics",
    doc: "Port of /metrics, apart from PORT; 0 picks a free one. Further processes of `--workers` take the ports above it.",
  },
  TRIBUTARY_METRICS_HOST: {
    parse: text,
    fallback: "127.0.0.1",
    shown: "127.0.0.1",
    doc: "Address on which /metrics listens. Anything but loopback needs TRIBUTARY_METRICS_TOKEN.",
  },
  TRIBUTARY_METRICS_TOKEN: {
    parse: optionalText,
    fallback: none,
    shown: "none",
    doc: "Bearer token that whoever reads /metrics has to send; at least 16 characters.",
    isSecret: true,
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
  TRIBUTARY_IDEMPOTENCY_SECONDS: {
    parse: integer(120, 3_600),
    fallback: 120,
    shown: "120",
    doc: "Seconds for which an idempotency key is known, up to an hour. A million keys take 320 MB of nats-server's memory.",
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
  ...ACCESS_VARIABLES,
  ...SINK_VARIABLES,
} satisfies Record<string, Variable<unknown>>;
