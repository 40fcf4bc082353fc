/** What all services of the control plane share. */

import type { ConnectError, HandlerContext } from "@connectrpc/connect";
import type { Archive } from "#gen/tributary/management/v1/archive_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import type { MasterKey } from "../core/envelope.ts";
import { type FieldViolation, fail, failFields, notFound } from "../core/errors.ts";
import type { LogReader } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import { ID_PATTERN, idFromTitle, type NameShape, parseName } from "../core/names.ts";
import { type Principal, principalKey } from "../core/principal.ts";
import type { Database } from "../db/client.ts";
import { uniqueViolationOf } from "../db/database-errors.ts";
import type { LogPlace, LogPurger } from "./log-purger.ts";

/** What the services need; made once by app.ts. */
export interface Catalog {
  readonly database: Database;
  /** 32 bytes; seals what is secret in the database. */
  readonly masterKey: MasterKey;
  readonly logger: Logger;
  /** Brings this node's snapshot up to date, so that what an answer says can be used at once. */
  readonly refresh: () => Promise<void>;
  readonly logs: Pick<LogReader, "info" | "read" | "sequenceAt">;
  /**
   * Ends a generation of a log before the next one is published: what is appended to it later, also
   * by a node that does not know yet, fails. Called again with the same arguments it does nothing.
   */
  readonly sealGeneration: (log: LogPlace, generation: number) => Promise<void>;
  /** Deletes the records of logs that are gone. */
  readonly purger: Pick<LogPurger, "note" | "purge">;
  /** Waits a few seconds for a log to be counted; false when it is not yet. Undefined where nothing counts. */
  readonly waitForCount?: (log: LogPlace) => Promise<boolean>;
  /** Tries the place of an archive, secret included. Fails with DESTINATION_REFUSED. */
  readonly tryArchive?: (archive: Archive) => Promise<void>;
  /** Imports what a sink has staged; undefined where nothing is delivered. */
  readonly staged?: { flush(sink: SinkDefinition, signal: AbortSignal): Promise<unknown> };
  /** Lets the workers look for new tasks at once. */
  readonly wakeTasks: () => void;
  /** Number of shards of the installation. */
  readonly shards: number;
  readonly now: () => number;
  readonly makeUid: () => string;
}

/** The caller of an rpc. Authentication has let nobody else through. */
export function callerOf(context: HandlerContext): Principal {
  const principal = context.values.get(principalKey);
  if (!principal) throw fail("TOKEN_MISSING", "this call needs an access token");
  return principal;
}

/** The id to make something under: the chosen one, or one from the title. Fails with INVALID_FIELDS. */
export function chooseId(field: string, chosen: string, title: string): string {
  const faults = findIdFaults(field, chosen, title);
  if (faults.length > 0) throw failFields(faults);
  return chosen || (idFromTitle(title) ?? "");
}

/** What keeps `chooseId` from giving an id, for those who tell all faults of a request at once. */
export function findIdFaults(field: string, chosen: string, title: string): FieldViolation[] {
  if (chosen !== "" && !ID_PATTERN.test(chosen)) {
    const description =
      "an id begins with a letter a-z and has up to 63 letters a-z, digits and dashes";
    return [{ field, description }];
  }
  if (chosen || idFromTitle(title)) return [];
  return [{ field, description: "give an id, or a display name to make it of" }];
}

/** A name that must have the given shape; a malformed one names nothing. */
export function checkName(name: string, shape: NameShape): string {
  if (!parseName(name, shape)) throw notFound(name);
  return name;
}

/** Runs an insert; a taken name becomes ALREADY_EXISTS that names the field. */
export async function insertNamed<T>(
  { name, field }: { readonly name: string; readonly field: string },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (uniqueViolationOf(error)?.endsWith("_name_key")) throw alreadyExists(name, field, error);
    throw error;
  }
}

/** ALREADY_EXISTS for a taken name. */
export function alreadyExists(name: string, field: string, cause?: unknown): ConnectError {
  return fail("ALREADY_EXISTS", `${name} exists already`, {
    metadata: { name },
    violations: [{ field, description: "is taken; choose another id" }],
    cause,
  });
}

/** The etag of a row: another one after each change, and for a later row of the same name. */
export function etagOf(row: { readonly uid: string; readonly version: number }): string {
  return `"${row.uid.slice(0, 10)}-${row.version}"`;
}

/** Fails with ETAG_STALE when the caller's etag is not the current one; an empty one is not checked. */
export function checkEtag(
  given: string,
  row: { readonly uid: string; readonly version: number; readonly name: string },
): void {
  if (given === "" || given === etagOf(row)) return;
  throw fail("ETAG_STALE", `${row.name} was changed meanwhile; read it again`, {
    metadata: { name: row.name, etag: etagOf(row) },
  });
}
