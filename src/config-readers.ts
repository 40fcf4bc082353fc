/** How the text of variables is read, and what stands for an absent value. */
import { resolve } from "node:path";
import { list } from "./config-addresses.ts";
import { LOG_LEVELS, type LogLevel } from "./core/logger.ts";
import type { SmtpServer } from "./mail/smtp-url.ts";

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

/** Any text. */
export const text = (value: string): string => value;
/** Any text, for variables without a fallback. */
export const optionalText = (value: string): string | undefined => value;
/** A path, made absolute from the working directory. */
export const path = (value: string): string | undefined => resolve(value);

/** A whole number within bounds. */
export function integer(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < min || number > max) {
      throw new Error(`must be a whole number from ${min} to ${max}`);
    }
    return number;
  };
}

/** 1 or 0. */
export function flag(value: string): boolean | undefined {
  if (value === "1" || value === "true") return true;
  if (value === "0" || value === "false") return false;
  throw new Error("must be 1 or 0");
}

/** A level of the logger. */
export function logLevel(value: string): LogLevel {
  const level = LOG_LEVELS.find((l) => l === value);
  if (!level) throw new Error(`must be one of ${LOG_LEVELS.join(", ")}`);
  return level;
}

/** A list of roles, in the order of ROLES. */
export function roles(value: string): readonly Role[] {
  const wanted = list(value).map((item) => ROLES.find((role) => role === item));
  if (wanted.length === 0 || wanted.includes(undefined)) {
    throw new Error(`must be a list of ${ROLES.join(", ")}`);
  }
  return wanted.filter((role) => role !== undefined);
}

/** A key of 32 bytes. */
export function masterKey(value: string): Buffer | undefined {
  const key = Buffer.from(value, "base64");
  if (key.length !== 32) throw new Error("must be 32 bytes in base64 (openssl rand -base64 32)");
  return key;
}

/** A symmetric key of AWS KMS. */
export function kmsKey(value: string): string | undefined {
  if (/^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(key|alias)\/[\w/-]{1,256}$/.test(value)) return value;
  throw new Error("must be an ARN such as arn:aws:kms:eu-central-1:123456789012:key/<id>");
}

/** No text. */
export const none: string | undefined = undefined;
/** No number. */
export const noNumber: number | undefined = undefined;
/** Neither yes nor no. */
export const noFlag: boolean | undefined = undefined;
/** No mail server. */
export const noSmtp: SmtpServer | undefined = undefined;
/** No key. */
export const noKey: Buffer | undefined = undefined;
/** All roles. */
export const every: readonly Role[] = ROLES;
/** An empty list. */
export const empty: readonly string[] = [];
