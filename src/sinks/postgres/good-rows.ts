/** Storing the good rows of a request in which Postgres refuses some. */
import type { CopyPart } from "./copy-query.ts";
import type { BadRow } from "./encode.ts";
import { isDataError, sqlStateOf } from "./fault.ts";
import type { SinkStatements } from "./statements.ts";
import type { Session } from "./target.ts";

/** What is stored, as far as it is good. */
export interface GoodRowsJob {
  readonly statements: SinkStatements;
  /** Gives the lines of rows, by their indexes, in order. */
  readonly feedOf: (indexes: readonly number[]) => CopyPart["feed"];
  /** Indexes of the rows that may be good, in order: the others could not be encoded. */
  readonly candidates: readonly number[];
}

/** Thrown when the search takes too long: delivery then halves the request. */
export class TooManyBadRows extends Error {}

/** Attempts that one search may take. */
const ATTEMPTS_MAX = 256;
const CHECK_NOW = "SET CONSTRAINTS ALL IMMEDIATE";

/**
 * Stores all rows but those that fail alone, and gives those; inside a transaction. COPY names the line
 * of most failures; where none is named (a foreign key, a trigger after the statement), by halving.
 */
export async function storeGoodRows(
  session: Session,
  { statements, feedOf, candidates }: GoodRowsJob,
): Promise<BadRow[]> {
  const bad: BadRow[] = [];
  let left = ATTEMPTS_MAX;
  const store = async (from: number, to: number): Promise<void> => {
    if (from >= to) return;
    if (left === 0 && candidates.length > 1) throw new TooManyBadRows();
    left -= 1;
    const error = await tryRows(session, statements, feedOf(candidates.slice(from, to)));
    if (error === undefined) return;
    if (to - from === 1) {
      bad.push(badRow(candidates[from]!, error));
      return;
    }
    const suspect = suspectOf(error, { from, to });
    if (suspect === undefined) {
      const middle = (from + to) >> 1;
      await store(from, middle);
      await store(middle, to);
    } else {
      await store(from, suspect);
      if (isByItself(error)) bad.push(badRow(candidates[suspect]!, error));
      else await store(suspect, suspect + 1);
      await store(suspect + 1, to);
    }
  };
  await store(0, candidates.length);
  return bad;
}

/** Why these rows cannot be stored; undefined when they were. */
async function tryRows(
  { run, copy }: Session,
  statements: SinkStatements,
  feed: CopyPart["feed"],
): Promise<unknown> {
  try {
    const part = {
      before: [{ text: "SAVEPOINT part" }, ...statements.before],
      copy: statements.copy,
      feed,
      // What is deferred to the commit would else fail there, for all rows.
      after: [...statements.after, { text: CHECK_NOW }, { text: "RELEASE SAVEPOINT part" }],
    };
    await copy({ parts: [part] });
    return undefined;
  } catch (error) {
    if (!isDataError(error)) throw error;
    await run("ROLLBACK TO SAVEPOINT part");
    return error;
  }
}

/** The row that the context of an error names, `COPY table, line 5, …`; its language may hide it. */
function suspectOf(error: unknown, { from, to }: { from: number; to: number }): number | undefined {
  const where = (error as { readonly where?: unknown }).where;
  const line = /^COPY \S+, line (\d+)/m.exec(typeof where === "string" ? where : "")?.[1];
  const row = from + Number(line) - 1;
  return line !== undefined && row >= from && row < to ? row : undefined;
}

/** Whether a row fails whatever stands beside it: its values, NOT NULL and CHECK. Others are tried alone. */
function isByItself(error: unknown): boolean {
  return /^(22...|23502|23514)$/.test(sqlStateOf(error) ?? "");
}

function badRow(index: number, error: unknown): BadRow {
  const state = sqlStateOf(error) ?? "";
  const reason = state.startsWith("23") ? "CONSTRAINT_VIOLATED" : "VALUE_REFUSED";
  const why = `Postgres says: ${(error as Error).message.slice(0, 500)} (SQLSTATE ${state})`;
  return { index, reason, why };
}
