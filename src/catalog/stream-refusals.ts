/** What streams refused, as it is kept (B11). */
import { eq, sql } from "drizzle-orm";
import type { Queries } from "../db/client.ts";
import { streamRefusals, streams } from "../db/stream-tables.ts";

/** Records and calls to add. */
export interface AddedRefusals {
  readonly streamUid: string;
  readonly projectUid: string;
  readonly records: number;
  readonly calls: number;
  readonly lastTimeMs: number;
}

/** Adds to the counts of streams, in the order of their ids; those that are gone are passed over. */
export async function addStreamRefusals(
  queries: Queries,
  counts: readonly AddedRefusals[],
): Promise<void> {
  const ordered = [...counts].sort((a, b) => (a.streamUid < b.streamUid ? -1 : 1));
  for (const { lastTimeMs, ...row } of ordered) {
    if ((await queries.$count(streams, eq(streams.uid, row.streamUid))) === 0) continue;
    await queries
      .insert(streamRefusals)
      .values({ ...row, lastTime: new Date(lastTimeMs) })
      .onConflictDoUpdate({
        target: streamRefusals.streamUid,
        set: {
          records: sql`${streamRefusals.records} + excluded.records`,
          calls: sql`${streamRefusals.calls} + excluded.calls`,
          lastTime: sql`greatest(${streamRefusals.lastTime}, excluded.last_time)`,
        },
      });
  }
}
