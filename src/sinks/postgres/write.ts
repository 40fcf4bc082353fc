/**
 * Writing one request: rows and cursor in one transaction (invariant D1). Usually that is a single
 * statement; when the request is large or a row is at fault, one transaction of several statements, which
 * finds the faulty rows by halving and stores the others. A repeat of a request whose commit went through is recognised by the cursor in the target.
 */
import type { RequestOutcome, SinkRequest } from "../sink.ts";
import { retryRequest } from "../sink-fault.ts";
import { type KeptBadRow, readState } from "./cursor-table.ts";
import { arrayLiterals, type BadRow, type EncodedRows } from "./encode.ts";
import { isDataError, sqlStateOf } from "./fault.ts";
import type { SinkStatements } from "./statements.ts";
import type { Run, Target } from "./target.ts";

/** What is written, and by whom. */
export interface WriteJob {
  readonly target: Target;
  readonly statements: SinkStatements;
  readonly sinkUid: string;
  readonly request: SinkRequest;
  readonly rows: EncodedRows;
  /** The request that the target holds as the last one; null for none. */
  readonly previousId: string | null;
}

/** Statements that one search for bad rows may take; then delivery halves the request. */
const SEARCH_STATEMENTS_MAX = 256;

/** Thrown inside the transaction to roll it back. */
class Fenced extends Error {}
class TooManyBadRows extends Error {}

/** Writes; throws what is no fault of a row. */
export async function writeRequest(job: WriteJob, signal: AbortSignal): Promise<RequestOutcome> {
  if (job.previousId === job.request.id) {
    const outcome = await readOutcome(job, signal);
    if (outcome.kind === "rows") return outcome;
  }
  if (job.rows.ends.length > 1) return writeApart(job, signal);
  try {
    const outcome = await writeAtOnce(job, signal);
    if (outcome) return outcome;
  } catch (error) {
    if (!isDataError(error)) throw error;
    return writeApart(job, signal);
  }
  return readOutcome(job, signal);
}

/** One statement; undefined when the fence did not let it through. */
async function writeAtOnce(
  job: WriteJob,
  signal: AbortSignal,
): Promise<RequestOutcome | undefined> {
  const { request, rows, statements } = job;
  const isReplay = request.cursor === undefined;
  const arrays = arrayLiterals(rows, 0, rows.indexes.length);
  const text = isReplay ? statements.replay : statements.write;
  const [row] = await job.target.use(signal, (run) =>
    run(text, [...fenceParameters(job, rows.bad), ...arrays]),
  );
  return row?.moved === 1 ? outcomeOf(request, rows.bad) : undefined;
}

/** A transaction: the fence, then rows in parts, halved on errors; what still fails alone is bad. */
async function writeApart(job: WriteJob, signal: AbortSignal): Promise<RequestOutcome> {
  const { request, statements } = job;
  const isReplay = request.cursor === undefined;
  const bad: BadRow[] = [...job.rows.bad];
  try {
    await job.target.transact(signal, async (run) => {
      const fence = isReplay ? statements.replayFence : statements.fence;
      // The same row is updated again below, once the bad rows are known.
      const [moved] = await run(fence, fenceParameters(job, bad));
      if (!moved) throw new Fenced();
      bad.push(...(await storeParts(run, job)));
      const column = isReplay ? "replay_bad_rows" : "bad_rows";
      await run(
        `UPDATE tributary.sink_cursors SET ${column} = $3::text::jsonb
WHERE sink_uid = $1 AND partition = $2::integer`,
        [job.sinkUid, String(request.partition), badRowsJson(request, bad)],
      );
    });
  } catch (error) {
    if (error instanceof Fenced) return readOutcome(job, signal);
    if (error instanceof TooManyBadRows) {
      return retryRequest("TOO_MANY_BAD_ROWS", "Postgres refuses many rows of this request");
    }
    throw error;
  }
  return outcomeOf(request, bad);
}

async function storeParts(run: Run, job: WriteJob): Promise<BadRow[]> {
  const { rows, statements } = job;
  const bad: BadRow[] = [];
  let left = SEARCH_STATEMENTS_MAX + rows.ends.length;
  const store = async (from: number, to: number): Promise<void> => {
    if (from >= to) return;
    if (left === 0 && job.request.rows.length > 1) throw new TooManyBadRows();
    left -= 1;
    await run("SAVEPOINT part");
    try {
      await run(statements.insert, arrayLiterals(rows, from, to));
      await run("RELEASE SAVEPOINT part");
      return;
    } catch (error) {
      if (!isDataError(error)) throw error;
      await run("ROLLBACK TO SAVEPOINT part");
      if (to - from === 1) {
        bad.push(badRow(rows.indexes[from]!, error));
        return;
      }
    }
    const middle = (from + to) >> 1;
    await store(from, middle);
    await store(middle, to);
  };
  let from = 0;
  for (const end of rows.ends) {
    await store(from, end);
    from = end;
  }
  return bad;
}

function badRow(index: number, error: unknown): BadRow {
  const state = sqlStateOf(error) ?? "";
  const reason = state.startsWith("23") ? "CONSTRAINT_VIOLATED" : "VALUE_REFUSED";
  const why = `Postgres says: ${(error as Error).message.slice(0, 500)} (SQLSTATE ${state})`;
  return { index, reason, why };
}

/** Why the fence let nothing through: this request was committed before, or another owner is there. */
async function readOutcome(job: WriteJob, signal: AbortSignal): Promise<RequestOutcome> {
  const { request } = job;
  const state = await job.target.use(signal, (run) =>
    readState(run, job.sinkUid, request.partition),
  );
  if (!state || state.epoch !== request.epoch) return { kind: "fenced" };
  if (request.cursor === undefined) {
    return state.replayId === request.id
      ? outcomeOf(request, state.replayBadRows)
      : { kind: "fenced" };
  }
  // An id that this owner has not seen stored is there because its own commit went through unheard.
  // One that it has seen may come again after a restart of the sink: then the cursors differ.
  const isCommitted =
    state.requestId === request.id &&
    (job.previousId !== request.id || isEqual(state.cursor, request.cursor));
  return isCommitted ? outcomeOf(request, state.badRows) : { kind: "fenced" };
}

function isEqual(a: Uint8Array | null, b: Uint8Array): boolean {
  return a !== null && Buffer.compare(a, b) === 0;
}

function fenceParameters(job: WriteJob, bad: readonly BadRow[]): unknown[] {
  const { request } = job;
  const owner = [job.sinkUid, String(request.partition), String(request.epoch), request.id];
  const badRows = badRowsJson(request, bad);
  if (request.cursor === undefined) return [...owner, badRows];
  return [...owner, badRows, job.previousId, Buffer.from(request.cursor)];
}

function badRowsJson(request: SinkRequest, bad: readonly BadRow[]): string | null {
  if (bad.length === 0) return null;
  const kept = bad.map((row): KeptBadRow => {
    const { place } = request.rows[row.index]!;
    return {
      ...row,
      why: row.why.replaceAll("\u0000", "\ufffd"),
      place: [place.sequence, place.index],
    };
  });
  return JSON.stringify(kept);
}

function outcomeOf(request: SinkRequest, bad: readonly BadRow[]): RequestOutcome {
  const byIndex = new Map(bad.map((row) => [row.index, row]));
  const outcomes = request.rows.map((_, index) => {
    const row = byIndex.get(index);
    if (!row) return { kind: "delivered" } as const;
    return { kind: "reject", reason: row.reason, why: row.why } as const;
  });
  return { kind: "rows", outcomes };
}
