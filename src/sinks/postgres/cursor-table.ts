import type { KeptCursor, RejectedPlace, SinkEnvironment } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import { CLAIM, CREATE_CURSORS, READ_STATE } from "./cursor-statements.ts";
import type { BadRow } from "./encode.ts";
import { sqlStateOf } from "./fault.ts";
import type { Run } from "./target.ts";

/** A bad row as it is kept with the cursor, so that no crash forgets it before it is held. */
export interface KeptBadRow extends BadRow {
  /** Sequence and index of its place. */
  readonly place: readonly [number, number];
}

/** What the target knows of a partition. */
export interface CursorState {
  readonly epoch: number;
  readonly requestId: string | null;
  readonly cursor: Uint8Array | null;
  readonly badRows: readonly KeptBadRow[];
  readonly replayId: string | null;
  readonly replayBadRows: readonly KeptBadRow[];
  /** When the cursor was moved last, in milliseconds since 1970. */
  readonly updatedMs: number;
}

/** What a claim found. */
export interface ClaimedCursor {
  /** The request whose cursor is kept; null before the first. */
  readonly requestId: string | null;
  readonly kept: KeptCursor | undefined;
}

/** Makes the table of cursors when it is missing; safe when several processes do so at once. */
export async function createCursorTable(run: Run): Promise<void> {
  const [found] = await run("SELECT to_regclass('tributary.sink_cursors')::text AS name");
  if (found?.name) return;
  await withCursorLock(run, async () => {
    for (const statement of CREATE_CURSORS) await run(statement);
  });
}

/** Makes something in the schema of cursors while no other process does. */
export async function withCursorLock(run: Run, work: () => Promise<void>): Promise<void> {
  await run("SELECT pg_advisory_lock(7238118243101)");
  try {
    await work();
  } catch (error) {
    if (sqlStateOf(error) !== "42501") throw error;
    throw new SinkFault(
      "PERMISSION_DENIED",
      "the user may not create the schema tributary, where the position is kept: let an owner of the database run CREATE SCHEMA tributary AUTHORIZATION for that user",
      { cause: error },
    );
  } finally {
    // A lost connection holds no lock, and who undoes a failed transaction frees them all.
    await run("SELECT pg_advisory_unlock(7238118243101)").catch(() => undefined);
  }
}

/** Claims a partition for `epoch`; throws FENCED with the epoch found when that is higher. */
export async function claimCursor(
  run: Run,
  env: SinkEnvironment,
  { partition, epoch }: { partition: number; epoch: number },
): Promise<ClaimedCursor> {
  const values = [env.sinkUid, String(partition), env.logUid, env.sinkName, String(epoch)];
  const [row] = await run(CLAIM, values);
  if (!row) {
    const state = await readState(run, env.sinkUid, partition);
    throw new SinkFault("FENCED", "another node has taken over this sink", {
      ...(state && { targetEpoch: state.epoch }),
    });
  }
  const requestId = (row.request_id as string | null) ?? null;
  if (row.cursor === null) return { requestId, kept: undefined };
  const rejects: RejectedPlace[] = parseBadRows(row.bad_rows).map((bad) => ({
    place: { sequence: bad.place[0], index: bad.place[1] },
    reason: bad.reason,
    why: bad.why,
  }));
  const kept = { epoch: Number(row.cursor_epoch), cursor: row.cursor as Uint8Array, rejects };
  return { requestId, kept };
}

/** State of a partition; undefined when there is none. */
export async function readState(
  run: Run,
  sinkUid: string,
  partition: number,
): Promise<CursorState | undefined> {
  const [row] = await run(READ_STATE, [sinkUid, String(partition)]);
  if (!row) return undefined;
  return {
    epoch: Number(row.epoch),
    requestId: row.request_id as string | null,
    cursor: row.cursor as Uint8Array | null,
    badRows: parseBadRows(row.bad_rows),
    replayId: row.replay_id as string | null,
    replayBadRows: parseBadRows(row.replay_bad_rows),
    updatedMs: Number(row.updated_ms),
  };
}

function parseBadRows(json: unknown): KeptBadRow[] {
  return typeof json === "string" ? (JSON.parse(json) as KeptBadRow[]) : [];
}
