/**
 * Reads the environment through the table in config-variables.ts: once, reporting all faults
 * together. The only reader of `process.env`.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Variable } from "./config-readers.ts";
import { VARIABLES } from "./config-variables.ts";
import { nearestWord } from "./core/nearest-word.ts";

type Table = typeof VARIABLES;

/** Variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Values of all variables, by name. */
export type Variables = {
  readonly [K in keyof Table]: ReturnType<Table[K]["parse"]> | Table[K]["fallback"];
};

/** What follows from the variables. */
export interface Config extends Variables {
  readonly dataDir: string;
  readonly cacheDir: string;
  readonly fileSinkDir: string;
  readonly archiveDir: string;
  readonly isLoopback: boolean;
  readonly hasDemo: boolean;
  readonly isLoopbackEgressAllowed: boolean;
  /** The server's own access key at AWS. */
  readonly awsIdentity:
    | { readonly accessKeyId: string; readonly secretAccessKey: string }
    | undefined;
}

/** All faults of an environment, one line each. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** The environment as it is, for what starts the program anew. */
export function readEnvironment(): Environment {
  return process.env;
}

/**
 * Reads the environment, or `overrides` where they name a variable; throws a ConfigError that lists
 * every fault.
 */
export function loadConfig(
  overrides: Environment = {},
  environment: Environment = process.env,
): Config {
  const env = { ...environment, ...overrides };
  const faults: string[] = unknownNames(env);
  const values: Record<string, unknown> = {};
  for (const [name, variable] of Object.entries<Variable<unknown>>(VARIABLES)) {
    try {
      const value = readValue(env, name, variable.isSecret === true);
      values[name] = value === undefined ? variable.fallback : variable.parse(value);
    } catch (error) {
      faults.push(`${name} ${(error as Error).message}`);
      values[name] = variable.fallback;
    }
  }
  const config = derive(values as Variables);
  faults.push(...contradictions(config));
  if (faults.length > 0) throw new ConfigError(faults.join("\n"));
  return Object.freeze(config);
}

function readValue(env: Environment, name: string, isSecret: boolean): string | undefined {
  const file = env[`${name}_FILE`];
  if (!isSecret || !file) return env[name] || undefined;
  if (env[name]) throw new Error(`is set, and so is ${name}_FILE: keep one of them`);
  try {
    return readFileSync(file, "utf8").trim() || undefined;
  } catch (error) {
    throw new Error(
      `cannot be read from the file that ${name}_FILE names: ${(error as Error).message}`,
    );
  }
}

function unknownNames(env: Environment): string[] {
  const known = Object.keys(VARIABLES);
  const isKnown = (name: string) =>
    known.includes(name) ||
    (name.endsWith("_FILE") &&
      (VARIABLES as Record<string, Variable<unknown>>)[name.slice(0, -"_FILE".length)]?.isSecret);
  return Object.keys(env)
    .filter((name) => name.startsWith("TRIBUTARY_") && !isKnown(name))
    .filter((name) => !DEMO_ENV_NAMES.has(name))
    .map(
      (name) => `${name} is not a variable of Tributary; did you mean ${nearestWord(name, known)}?`,
    );
}

/** Names that `demo.env` brings into a shell, and that are no settings. */
const DEMO_ENV_NAMES = new Set(["TRIBUTARY_URL"]);

function derive(values: Variables): Config {
  const dataDir = values.TRIBUTARY_DATA_DIR ?? resolve(".tributary");
  const isLoopback = isLoopbackHost(values.HOST);
  const isEmbedded = values.DATABASE_URL === undefined && values.NATS_URL === undefined;
  const accessKeyId = values.TRIBUTARY_AWS_ACCESS_KEY_ID;
  const secretAccessKey = values.TRIBUTARY_AWS_SECRET_ACCESS_KEY;
  return {
    ...values,
    dataDir,
    cacheDir: values.TRIBUTARY_CACHE_DIR ?? join(homedir(), ".cache", "tributary"),
    fileSinkDir: values.TRIBUTARY_FILE_SINK_DIR ?? join(dataDir, "files"),
    archiveDir: values.TRIBUTARY_ARCHIVE_DIR ?? join(dataDir, "archive"),
    isLoopback,
    hasDemo: values.TRIBUTARY_DEMO ?? (isLoopback && values.DATABASE_URL === undefined),
    isLoopbackEgressAllowed: values.TRIBUTARY_EGRESS_LOOPBACK ?? (isLoopback && isEmbedded),
    awsIdentity: accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey } : undefined,
  };
}

function isLoopbackHost(host: string): boolean {
  return /^(127\.\d+\.\d+\.\d+|localhost|::1)$/.test(host);
}

function contradictions(config: Config): string[] {
  const faults: string[] = [];
  const { TRIBUTARY_AWS_ACCESS_KEY_ID: awsId, TRIBUTARY_AWS_SECRET_ACCESS_KEY: awsSecret } = config;
  if ((awsId === undefined) !== (awsSecret === undefined)) {
    faults.push(
      "TRIBUTARY_AWS_ACCESS_KEY_ID and TRIBUTARY_AWS_SECRET_ACCESS_KEY go together: set both",
    );
  }
  const { TRIBUTARY_STAGING_ACCESS_KEY_ID: stagingId } = config;
  const stagingSecret = config.TRIBUTARY_STAGING_SECRET_ACCESS_KEY;
  if (config.TRIBUTARY_STAGING_BUCKET !== undefined && !(stagingId && stagingSecret)) {
    faults.push(
      "TRIBUTARY_STAGING_BUCKET needs TRIBUTARY_STAGING_ACCESS_KEY_ID and TRIBUTARY_STAGING_SECRET_ACCESS_KEY",
    );
  }
  if (config.TRIBUTARY_KMS_KEY !== undefined && config.TRIBUTARY_MASTER_KEY !== undefined) {
    faults.push(
      "TRIBUTARY_KMS_KEY and TRIBUTARY_MASTER_KEY exclude each other: name the old key as TRIBUTARY_MASTER_KEY_PREVIOUS",
    );
  }
  const hasTls = config.TRIBUTARY_TLS_CERT !== undefined && config.TRIBUTARY_TLS_KEY !== undefined;
  if ((config.TRIBUTARY_TLS_CERT === undefined) !== (config.TRIBUTARY_TLS_KEY === undefined)) {
    faults.push("TRIBUTARY_TLS_CERT and TRIBUTARY_TLS_KEY go together: set both");
  }
  if (!config.isLoopback) {
    if (!hasTls && !config.TRIBUTARY_TRUST_PROXY_TLS) {
      faults.push(
        `HOST ${config.HOST} is not loopback: set TRIBUTARY_TLS_CERT and TRIBUTARY_TLS_KEY, or ` +
          "TRIBUTARY_TRUST_PROXY_TLS=1 when a proxy in front ends TLS",
      );
    }
    if (config.TRIBUTARY_DEMO)
      faults.push("TRIBUTARY_DEMO must not be 1 when HOST is not loopback");
    if (config.TRIBUTARY_EGRESS_LOOPBACK) {
      faults.push("TRIBUTARY_EGRESS_LOOPBACK must not be 1 when HOST is not loopback");
    }
  }
  if (config.SMTP_URL && !(config.TRIBUTARY_MAIL_FROM ?? config.SMTP_URL.from)) {
    faults.push("SMTP_URL needs the address that mails come from: TRIBUTARY_MAIL_FROM or ?from=");
  }
  const oidc = [
    config.TRIBUTARY_OIDC_ISSUER,
    config.TRIBUTARY_OIDC_CLIENT_ID,
    config.TRIBUTARY_OIDC_CLIENT_SECRET,
  ].filter((value) => value !== undefined);
  if (oidc.length !== 0 && oidc.length !== 3) {
    faults.push("TRIBUTARY_OIDC_ISSUER, _CLIENT_ID and _CLIENT_SECRET go together: set all three");
  }
  const { TRIBUTARY_METRICS_TOKEN: metricsToken, TRIBUTARY_METRICS_HOST: metricsHost } = config;
  if (metricsToken === undefined && !isLoopbackHost(metricsHost)) {
    faults.push(
      `TRIBUTARY_METRICS_HOST ${metricsHost} is not loopback: set TRIBUTARY_METRICS_TOKEN`,
    );
  }
  if (metricsToken !== undefined && metricsToken.length < 16) {
    faults.push("TRIBUTARY_METRICS_TOKEN must have at least 16 characters");
  }
  const secret = config.TRIBUTARY_OPERATOR_SECRET;
  if (secret !== undefined && secret.length < 32) {
    faults.push("TRIBUTARY_OPERATOR_SECRET must have at least 32 characters");
  }
  return faults;
}
