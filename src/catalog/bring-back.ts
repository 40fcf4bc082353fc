/** Brings back what was deleted, with all that went with it. */
import { and, eq, inArray, sql } from "drizzle-orm";
import { fail } from "../core/errors.ts";
import { parseName, projectOf, streamOf } from "../core/names.ts";
import type { Queries } from "../db/client.ts";
import { deletedRows, sinks } from "../db/schema.ts";
import { type Catalog, insertNamed } from "./catalog.ts";
import { checkCreation } from "./creation-quota.ts";
import { type DeletedRow, restoreDeleted } from "./deleted-store.ts";
import { refuseCircle } from "./sink-circle.ts";
import { loadSink } from "./sink-store.ts";
import { lockStream } from "./stream-store.ts";

const ONE_SINK = { sinks: 1, sinks_per_stream: 1 };
const ONE_SOURCE = { sources_per_stream: 1 };

/**
 * Puts back what `find` gives, which has this name, within one transaction. Fails with ALREADY_EXISTS
 * when the name is taken, with WRONG_STATE when the stream to which it belonged is gone, with
 * QUOTA_EXCEEDED when the project may not have so much, and with INVALID_FIELDS when a sink would close
 * a circle by now.
 */
export async function bringBack(
  catalog: Catalog,
  name: string,
  find: (queries: Queries) => Promise<DeletedRow>,
): Promise<void> {
  await insertNamed({ name, field: "name" }, () =>
    catalog.database.inProject(projectOf(name) ?? "", async (queries) => {
      const row = await find(queries);
      const kept = await summarize(queries, row.uid);
      if (parseName(name, "stream")) await checkCreation(queries, row, kept.counts);
      else {
        const scope = { projectUid: row.projectUid, streamUid: kept.streamUid ?? "" };
        const isSink = parseName(name, "sink") !== undefined;
        await checkCreation(queries, scope, isSink ? ONE_SINK : ONE_SOURCE);
        await checkStreamOf(queries, row, kept.streamUid);
      }
      await restoreDeleted(queries, row, new Date(catalog.now()));
      await refuseCircles(catalog, queries, kept.sinkUids);
    }),
  );
  await catalog.refresh();
}

/** What stands in the rows that were kept. */
async function summarize(queries: Queries, uid: string) {
  const { content, tableName } = deletedRows;
  const rows = await queries
    .select({
      tableName,
      uid: sql<string>`${content} ->> 'uid'`,
      streamUid: sql<string | null>`${content} ->> 'stream_uid'`,
      partitions: sql<number | null>`(${content} ->> 'partitions')::integer`,
    })
    .from(deletedRows)
    .where(
      and(eq(deletedRows.definitionUid, uid), inArray(tableName, ["streams", "sinks", "sources"])),
    );
  const stream = rows.find((row) => row.tableName === "streams");
  const sinkUids = rows.flatMap((row) => (row.tableName === "sinks" ? [row.uid] : []));
  return {
    streamUid: rows[0]?.streamUid,
    sinkUids,
    counts: { streams: 1, partitions: stream?.partitions ?? 0, sinks: sinkUids.length },
  };
}

async function checkStreamOf(
  queries: Queries,
  { name }: DeletedRow,
  uid: string | null | undefined,
): Promise<void> {
  const stream = streamOf(name) ?? "";
  const found = await lockStream(queries, stream);
  if (found?.uid === uid) return;
  const text = found ? "is another one by now" : "is gone: bring it back first";
  throw fail("WRONG_STATE", `${stream}, to which ${name} belonged, ${text}`);
}

async function refuseCircles(
  { masterKey }: Catalog,
  queries: Queries,
  uids: readonly string[],
): Promise<void> {
  if (uids.length === 0) return;
  const isOne = and(inArray(sinks.uid, [...uids]), eq(sinks.kind, "stream"));
  const rows = await queries.select({ name: sinks.name }).from(sinks).where(isOne);
  for (const { name } of rows) {
    const { definition } = await loadSink(queries, masterKey, name);
    for (const { sink } of definition.versions) {
      await refuseCircle(queries, masterKey, { definition, config: sink.config });
    }
  }
}
