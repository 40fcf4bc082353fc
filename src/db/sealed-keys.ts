/** Which master keys sealed the secrets that the database holds. */
import { sql } from "drizzle-orm";
import type { Database } from "./client.ts";

/** Ids (4 bytes, see `core/envelope.ts`) of the keys; none while nothing is sealed. */
export async function readMasterKeyIds(database: Database): Promise<readonly Uint8Array[]> {
  const rows = await database.acrossProjects((queries) =>
    queries.execute<{ id: Uint8Array }>(sql`
      SELECT DISTINCT substring(sealed_private_key FROM 2 FOR 4) AS id FROM tributary.signing_keys
      UNION SELECT DISTINCT substring(sealed FROM 2 FOR 4) FROM tributary.sink_versions
      UNION SELECT DISTINCT substring(sealed FROM 2 FOR 4) FROM tributary.source_keys
        WHERE sealed IS NOT NULL`),
  );
  return rows.map((row) => row.id);
}
