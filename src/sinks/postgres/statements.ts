/** The SQL of rows. Identifiers are checked and quoted; values travel in COPY. */
import { type PostgresSink, PostgresSink_Mode } from "#gen/tributary/management/v1/sink_pb.js";
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { type Column, quoteIdentifier, tableOf } from "./columns.ts";
import type { Statement } from "./copy-query.ts";
import { type MergeParts, mergeChanges, mergeMissing, mergeNewestPlace, PLACE } from "./merge.ts";
import { shortHash } from "./short-hash.ts";

/** The statements of one table, in their order. */
export interface SinkStatements {
  readonly before: readonly Statement[];
  /** COPY of the columns; of `staged` rows with the row's number before them. */
  readonly copy: string;
  readonly after: readonly Statement[];
  /** Whether rows go into a temporary table first, from which `after` takes them. */
  readonly isStaged: boolean;
}

type Merge = (config: PostgresSink, parts: MergeParts) => readonly string[];

/** How staged rows get into the table; modes that are not here need no staging. */
const MERGES: Readonly<Partial<Record<PostgresSink_Mode, Merge>>> = {
  [PostgresSink_Mode.UPSERT]: mergeNewestPlace,
  [PostgresSink_Mode.CHANGE_DATA_CAPTURE]: mergeChanges,
};

/** What the statements depend on beside the configuration. */
export interface StatementParts {
  /** Whether rows are replayed: they may be in the table already. */
  readonly isReplay?: boolean;
  readonly columns: readonly Column[];
  readonly schema: Schema;
}

/** Builds the statements for a table. */
export function buildStatements(config: PostgresSink, parts: StatementParts): SinkStatements {
  return build(config, parts, {
    options: "FORMAT text, ENCODING 'UTF8'",
    placeType: "bigint",
    isPlaceSent: true,
  });
}

/** The same for an import of CSV without numbers: the temporary table numbers its rows by itself. */
export function buildImport(config: PostgresSink, parts: StatementParts): SinkStatements {
  return build(config, parts, {
    options: "FORMAT csv, ENCODING 'UTF8'",
    placeType: "bigint GENERATED ALWAYS AS IDENTITY",
    isPlaceSent: false,
  });
}

interface LinesForm {
  /** Options of COPY. */
  readonly options: string;
  readonly placeType: string;
  readonly isPlaceSent: boolean;
}

function build(config: PostgresSink, parts: StatementParts, form: LinesForm): SinkStatements {
  const { columns } = parts;
  const names = columns.map((column) => quoteIdentifier(column.name));
  const copyInto = (table: string, list: readonly string[]) =>
    `COPY ${table} (${list.join(", ")}) FROM STDIN (${form.options})`;
  const merge = MERGES[config.mode] ?? (parts.isReplay ? mergeMissing : undefined);
  if (!merge) {
    return { before: [], copy: copyInto(tableOf(config), names), after: [], isStaged: false };
  }
  const lines = columns.map((column, c) => `${names[c]} ${column.sqlType}`);
  const definition = `${PLACE} ${form.placeType}, ${lines.join(", ")}`;
  const name = `tributary_${shortHash(definition)}`;
  const staging = `pg_temp.${name}`;
  const make = `CREATE TEMPORARY TABLE IF NOT EXISTS ${name} (${definition}) ON COMMIT DELETE ROWS`;
  const merging = [...merge(config, { ...parts, staging }), `TRUNCATE ${staging}`];
  return {
    before: [{ text: make }],
    copy: copyInto(staging, form.isPlaceSent ? [PLACE, ...names] : names),
    after: merging.map((text) => ({ text })),
    isStaged: true,
  };
}
