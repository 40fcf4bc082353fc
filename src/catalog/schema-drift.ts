/**
 * Watches for records that a stream has taken although its schema does not know them (mode EVOLVE):
 * each new difference becomes one proposal and one e-mail to each of those who want to know.
 */
import { createHash } from "node:crypto";
import { SchemaProposal_State } from "#gen/tributary/management/v1/stream_pb.js";
import type { StreamDefinition } from "../core/definitions.ts";
import type { Logger } from "../core/logger.ts";
import { projectOf } from "../core/names.ts";
import { type EvolvedSchema, evolveSchema, parseKeepingNumbers } from "../core/schema-evolve.ts";
import type { Database } from "../db/client.ts";
import type { Mail } from "../mail/mail.ts";
import type { Mailer } from "../mail/mailer.ts";
import { countPending, insertProposal, ownerEmails } from "./schema-proposal-store.ts";
import { findStream } from "./stream-store.ts";

/** What is kept in memory of each: records that wait (D5: more are dropped, their like come again). */
const WAITING_MAX = 256;
const SAMPLE_BYTES_MAX = 64 * 1024;
const KNOWN_MAX = 10_000;
/** Proposals of one stream that may wait for a decision. */
const PENDING_MAX = 100;
const RETRY_MS = 5_000;

/** Takes records that drifted. */
export interface SchemaDrift {
  /** Returns at once; what cannot wait any more is dropped. */
  note(stream: StreamDefinition, records: readonly Uint8Array[]): void;
  /** Resolves when what was noted is worked off, for an orderly end. Idempotent. */
  close(): Promise<void>;
}

/** What the watch works with. */
export interface SchemaDriftOptions {
  readonly database: Database;
  readonly mailer: Mailer;
  readonly logger: Logger;
  readonly makeUid: () => string;
  readonly now: () => number;
  /** Address of the console, without a slash at its end. */
  readonly publicUrl: () => string;
}

/** Starts the watch. */
export function watchSchemaDrift(options: SchemaDriftOptions): SchemaDrift {
  const waiting: { stream: StreamDefinition; record: Uint8Array }[] = [];
  const known = new Set<string>();
  let working: Promise<void> | undefined;
  let isClosed = false;

  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      try {
        await noteShape(options, known, next);
      } catch (error) {
        options.logger.warn("a new shape of records could not be noted", {
          stream: next.stream.name,
          error,
        });
        if (!isClosed) await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
      }
      if (known.size > KNOWN_MAX) known.clear();
    }
    working = undefined;
  };
  return {
    note(stream, records) {
      if (isClosed) return;
      for (const record of records) {
        if (waiting.length < WAITING_MAX && record.length <= SAMPLE_BYTES_MAX) {
          waiting.push({ stream, record });
        }
      }
      working ??= work();
    },
    async close() {
      isClosed = true;
      await working;
    },
  };
}

async function noteShape(
  options: SchemaDriftOptions,
  known: Set<string>,
  { stream, record }: { readonly stream: StreamDefinition; readonly record: Uint8Array },
): Promise<void> {
  const evolved = evolveRecord(stream, record);
  if (evolved.changes.length === 0) return;
  const shapeHash = hashOf(evolved);
  const id = `${stream.uid} ${shapeHash}`;
  if (known.has(id)) return;
  const { database, now, makeUid } = options;
  const row = {
    uid: makeUid(),
    projectUid: stream.projectUid,
    streamUid: stream.uid,
    shapeHash,
    schemaVersion: stream.schemaVersion,
    sample: Buffer.from(record),
    state: SchemaProposal_State.PENDING,
    createTime: new Date(now()),
    decideTime: null,
  };
  const told = await database.inProject(projectOf(stream.name)!, async (queries) => {
    const found = await findStream(queries, stream.name);
    if (found?.uid !== stream.uid) return undefined;
    if ((await countPending(queries, stream.uid)) >= PENDING_MAX) return undefined;
    if (!(await insertProposal(queries, row))) return undefined;
    return [
      ...new Set([...(await ownerEmails(queries, stream.projectUid)), ...found.notifyEmails]),
    ];
  });
  known.add(id);
  if (!told || !options.mailer.isConfigured) return;
  for (const to of told) {
    await options.mailer.send(mailOf({ to, stream, evolved, key: id, url: options.publicUrl() }));
  }
}

/** What a record asks of its stream's schema. */
export function evolveRecord(
  { schema }: Pick<StreamDefinition, "schema">,
  record: Uint8Array,
): EvolvedSchema {
  return evolveSchema(schema, parseKeepingNumbers(Buffer.from(record).toString()) as object);
}

function hashOf({ changes }: EvolvedSchema): string {
  return createHash("sha256").update(JSON.stringify(changes)).digest("base64url");
}

function mailOf(about: {
  readonly to: string;
  readonly stream: StreamDefinition;
  readonly evolved: EvolvedSchema;
  readonly key: string;
  readonly url: string;
}): Mail {
  const { stream, evolved, to } = about;
  const lines = evolved.changes.map(({ path, before, after }) =>
    before === "" ? `  + ${path}: ${after}` : `  ~ ${path}: ${before} becomes ${after}`,
  );
  return {
    to,
    projectUid: stream.projectUid,
    key: createHash("sha256").update(`${about.key} ${to}`).digest("base64url"),
    subject: `New fields on ${stream.name}`.slice(0, 200),
    text: [
      `Records of a new shape came to ${stream.name}. They were stored whole; sinks see the new`,
      "fields once the schema has them. The schema would change as follows:",
      "",
      ...lines.slice(0, 200),
      "",
      "Accept, edit or dismiss this change:",
      `${about.url}/${stream.name}/schema`,
      "",
    ].join("\n"),
  };
}
