/** The limit above the Postgres sink: COPY of the same rows as text, one transaction a batch. */
import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import postgres from "postgres";
import { recordText } from "../records.ts";

/** A connection without Nagle's delay, which postgres.js leaves on: a COPY of 1,000 rows waits 40 ms by it. */
export function connectDirect(url: string): postgres.Sql {
  const { hostname, port } = new URL(url);
  const socket = async () => {
    const open = connectSocket({ host: hostname, port: Number(port), noDelay: true });
    await once(open, "connect");
    return open;
  };
  const options = { max: 2, onnotice: () => undefined, socket };
  return postgres(url, options as postgres.Options<Record<string, never>>);
}

/** Rows a second of COPY into a table like the sink's, in batches, one after the other. */
export async function measureCopy(
  sql: postgres.Sql,
  { rows, batch }: { readonly rows: number; readonly batch: number },
): Promise<number> {
  await sql`DROP TABLE IF EXISTS bare_copy`;
  await sql`CREATE TABLE bare_copy (
    sensor_id text NOT NULL, temperature double precision NOT NULL, created_at timestamptz NOT NULL
  )`;
  const text = Array.from({ length: batch }, (_, i) => copyLine(i)).join("");
  const startedAt = performance.now();
  for (let stored = 0; stored < rows; stored += batch) {
    const writable = await sql`COPY bare_copy FROM STDIN`.writable();
    await new Promise<void>((resolve, reject) => {
      writable.on("error", reject).on("finish", resolve);
      writable.end(text);
    });
  }
  return rows / ((performance.now() - startedAt) / 1000);
}

function copyLine(i: number): string {
  const record = JSON.parse(recordText(i)) as Record<string, unknown>;
  return `${Object.values(record).join("\t")}\n`;
}
