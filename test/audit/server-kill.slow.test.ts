import postgres from "postgres";
import { expect, test } from "vitest";
import { createStream } from "../support/api.ts";
import { makeDataDir, removeData, startServer } from "../support/server.ts";
import { createTestDatabase } from "../support/shared-servers.ts";

/** Streams that exist, and which of them the audit log knows nothing of. */
async function readStreams(url: string) {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    await sql`SELECT set_config('tributary.scope', 'installation', false)`;
    const streams = await sql<{ name: string }[]>`
      SELECT name FROM tributary.streams WHERE name LIKE '%/killed-%'`;
    const unknown = await sql<{ name: string }[]>`
      SELECT name FROM tributary.streams s WHERE name LIKE '%/killed-%'
        AND NOT EXISTS (SELECT FROM tributary.audit_events e WHERE e.resource = s.name)
        AND NOT EXISTS (SELECT FROM tributary.audit_intents i
          WHERE position(convert_to(split_part(s.name, '/', 4), 'UTF8') in i.event) > 0)`;
    return { streams: streams.length, unknown: unknown.map(({ name }) => name) };
  } finally {
    await sql.end();
  }
}

test("check 34: a server killed with -9 among changes leaves none that the audit log knows nothing of", async () => {
  const url = await createTestDatabase();
  const dataDir = makeDataDir();
  try {
    for (let round = 0; round < 3; round++) {
      const server = await startServer({
        dataDir,
        env: { DATABASE_URL: url, TRIBUTARY_DEMO: "1" },
      });
      await server.token();
      const make = async (n: number) => {
        await createStream(server, `killed-${round}-${n}`, { fields: { n: "LONG" } }).catch(
          () => undefined,
        );
      };
      let next = 0;
      const makers = Array.from({ length: 6 }, async () => {
        while (server.child.exitCode === null && server.child.signalCode === null) {
          await make(next++);
        }
      });
      while (next < 20 + 7 * round) await new Promise((resolve) => setTimeout(resolve, 5));
      await server.stop("SIGKILL");
      await Promise.all(makers);
      const { streams, unknown } = await readStreams(url);
      expect(streams).toBeGreaterThan(5);
      expect(unknown).toEqual([]);
    }
  } finally {
    await removeData(dataDir);
  }
}, 180_000);
