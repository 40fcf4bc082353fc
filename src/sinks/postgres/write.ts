/**
 * Writing one request: rows and cursor in one transaction (invariant D1). Usually that is a single
 * pipeline around a COPY for each table; when a row is at fault, one transaction of several, which finds the faulty
 * rows and stores the others. A repeat of a request whose commit went through is recognised by the
 * cursor in the target.
 */
import type { RequestOutcome, SinkRequest, SinkRow } from "../sink.ts";
import { retryRequest } from "../sink-fault.ts";
import type { Column } from "./columns.ts";
import { type CopyPart, DIVISION_BY_ZERO, Fenced, type Statement } from "./copy-query.ts";
import { DELIVERY, FOLLOWER_FENCE, REPLAY } from "./cursor-statements.ts";
import { type KeptBadRow, readState } from "./cursor-table.ts";
import { type BadRow, type EncodedRows, encodeRows } from "./encode.ts";
import { isDataError, sqlStateOf } from "./fault.ts";
import { storeGoodRows, TooManyBadRows } from "./good-rows.ts";
import type { SinkStatements } from "./statements.ts";
import type { Run, Target } from "./target.ts";

/** Rows of a request that go to one table. */
export interface WritePart {
  readonly statements: SinkStatements;
  readonly rows: readonly SinkRow[];
  /** Index of each row within the request; not set when all rows are here. */
  readonly indexes?: readonly number[];
}

/** What is written, and by whom. */
export interface WriteJob {
  readonly target: Target;
  readonly parts: readonly WritePart[];
  readonly columns: readonly Column[];
  readonly sinkUid: string;
  readonly request: SinkRequest;
  /** The request that the target holds as the last one; null for none. */
  readonly previousId: string | null;
  /** The request that was sent behind this one, in an earlier attempt too. */
  readonly followerId: () => string | undefined;
  /** Work on a connection of its own, or behind the request before. */
  readonly use: Target["use"];
  /** All of the usual pipeline was sent. */
  readonly onSent: () => void;
}

/** Writes; throws what is no fault of a row. */
export async function writeRequest(job: WriteJob, signal: AbortSignal): Promise<RequestOutcome> {
  if (job.previousId === job.request.id) {
    const outcome = await readOutcome(job, signal);
    if (outcome.kind === "rows") return outcome;
  }
  const { columns, request } = job;
  const encoded: EncodedRows[] = [];
  const badRows = () => encoded.flatMap(({ bad }, p) => placed(bad, job.parts[p]!));
  const parts = job.parts.map(({ statements, rows }): CopyPart => {
    const feed: CopyPart["feed"] = async (send) => {
      encoded.push(await encodeRows({ columns, rows, isNumbered: statements.isStaged }, send));
    };
    return { ...statements, feed };
  });
  try {
    const after = () => keepBadRows(job, badRows());
    await job.use(signal, ({ copy }) =>
      copy({ fence: fenceOf(job), parts, after, onSent: job.onSent }),
    );
    return outcomeOf(request, badRows());
  } catch (error) {
    if (error instanceof Fenced) return readOutcome(job, signal);
    if (!isDataError(error) || encoded.length < parts.length) throw error;
    return writeApart(job, encoded, signal);
  }
}

/** A transaction: the fence, then rows in parts; what still fails alone is bad. */
async function writeApart(
  job: WriteJob,
  encoded: readonly EncodedRows[],
  signal: AbortSignal,
): Promise<RequestOutcome> {
  const bad: BadRow[] = [];
  try {
    await job.target.transact(signal, async (session) => {
      await passFence(session.run, job);
      for (const [p, part] of job.parts.entries()) {
        const { statements, rows } = part;
        const feedOf =
          (indexes: readonly number[]): CopyPart["feed"] =>
          async (send) => {
            const some = indexes.map((index) => rows[index]!);
            const isNumbered = statements.isStaged;
            await encodeRows({ columns: job.columns, rows: some, isNumbered }, send);
          };
        const candidates = encoded[p]!.good;
        const refused = await storeGoodRows(session, { statements, feedOf, candidates });
        bad.push(...placed([...encoded[p]!.bad, ...refused], part));
      }
      for (const { text, values } of keepBadRows(job, bad)) await session.run(text, values);
    });
  } catch (error) {
    if (error instanceof Fenced) return readOutcome(job, signal);
    if (error instanceof TooManyBadRows) {
      return retryRequest("TOO_MANY_BAD_ROWS", "Postgres refuses many rows of this request");
    }
    throw error;
  }
  return outcomeOf(job.request, bad);
}

/** Bad rows of a part by their indexes within the request. */
function placed(bad: readonly BadRow[], { indexes }: WritePart): BadRow[] {
  return bad.map((row) => ({ ...row, index: indexes?.[row.index] ?? row.index }));
}

async function passFence(run: Run, job: WriteJob): Promise<void> {
  const { text, values } = fenceOf(job);
  await run(text, values).catch((error: unknown) => {
    throw sqlStateOf(error) === DIVISION_BY_ZERO ? new Fenced() : error;
  });
}

/** Why the fence let nothing through: this request was committed before, or another owner is there. */
async function readOutcome(job: WriteJob, signal: AbortSignal): Promise<RequestOutcome> {
  const { request } = job;
  const state = await job.target.use(signal, ({ run }) =>
    readState(run, job.sinkUid, request.partition),
  );
  if (!state || state.epoch !== request.epoch) return { kind: "fenced" };
  if (request.cursor === undefined) {
    return state.replayId === request.id
      ? outcomeOf(request, state.replayBadRows)
      : { kind: "fenced" };
  }
  // Its follower gets through only behind its commit, and only when all its rows were good.
  if (state.requestId !== null && state.requestId === job.followerId())
    return outcomeOf(request, []);
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

function fenceOf({ request, sinkUid, previousId }: WriteJob): Statement {
  const owner = [sinkUid, String(request.partition), String(request.epoch), request.id];
  if (request.cursor === undefined) return { text: REPLAY.fence, values: owner };
  const { buffer, byteOffset, length } = request.cursor;
  const cursor = Buffer.from(buffer, byteOffset, length);
  const text = request.after === undefined ? DELIVERY.fence : FOLLOWER_FENCE;
  return { text, values: [...owner, previousId, cursor] };
}

/** Bad rows are kept beside the cursor, so that no crash forgets them before they are held. */
function keepBadRows({ request, sinkUid }: WriteJob, bad: readonly BadRow[]): Statement[] {
  const refused = bad.map((row) => ({ ...row, place: request.rows[row.index]!.place }));
  // Rows that were never sent have no index among those that were.
  const unmapped = (request.rejects ?? []).map((row) => ({ ...row, index: -1 }));
  const kept = [...refused, ...unmapped].map(
    ({ place, why, ...row }): KeptBadRow => ({
      ...row,
      why: why.replaceAll("\u0000", "\ufffd"),
      place: [place.sequence, place.index],
    }),
  );
  if (kept.length === 0) return [];
  const { keepBadRows: text } = request.cursor === undefined ? REPLAY : DELIVERY;
  return [{ text, values: [sinkUid, String(request.partition), JSON.stringify(kept)] }];
}

const DELIVERED = { kind: "delivered" } as const;

function outcomeOf(request: SinkRequest, bad: readonly BadRow[]): RequestOutcome {
  if (bad.length === 0) {
    return { kind: "rows", outcomes: new Array(request.rows.length).fill(DELIVERED) };
  }
  const byIndex = new Map(bad.map((row) => [row.index, row]));
  const outcomes = request.rows.map((_, index) => {
    const row = byIndex.get(index);
    if (!row) return DELIVERED;
    return { kind: "reject", reason: row.reason, why: row.why } as const;
  });
  return { kind: "rows", outcomes };
}
