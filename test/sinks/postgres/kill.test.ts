import { create } from "@bufbuild/protobuf";
import postgres from "postgres";
import { expect, test } from "vitest";
import { PostgresSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type as T } from "#gen/tributary/management/v1/stream_pb.js";
import { postgresDriver } from "../../../src/sinks/postgres/driver.ts";
import { startTestPostgres } from "../../support/postgres.ts";
import { waitFor } from "../../support/wait-for.ts";
import { attempt, environment, requestOf, rowsOf, schemaOf } from "../sample.ts";

test("N04: kill -9 of Postgres again and again loses no row and doubles none", async () => {
  // Durable, for without it a killed server forgets commits that it has answered.
  const server = await startTestPostgres({ durable: true });
  const schema = schemaOf([{ name: "id", type: T.LONG }]);
  const config = create(PostgresSinkSchema, { databaseUrl: server.url, table: "killed" });
  const sink = await postgresDriver.open(config, environment({ schema }));
  let isOver = false;
  const kills = async () => {
    for (let i = 0; i < 4; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100 + 37 * i));
      await server.kill("SIGKILL");
      // Backends of the killed server may hold its shared memory for a moment.
      await waitFor(() =>
        server.restart().then(
          () => true,
          () => false,
        ),
      );
    }
    isOver = true;
  };
  try {
    await sink.resume?.(0, 1);
    const killing = kills();
    let requests = 0;
    const next = () => {
      requests += 1;
      const values = Array.from({ length: 50 }, (_, i) => ({ id: requests * 50 + i }));
      return requestOf(rowsOf(values, requests));
    };
    // Two are under way at a time, as delivery sends them.
    let open = [next(), next()];
    while (!isOver || requests < 20) {
      await waitFor(async () => {
        const [first, second] = open;
        const behind = { ...second!, after: first!.id };
        const outcomes = await Promise.all([
          sink.write(first!, attempt()),
          sink.write(behind, attempt()),
        ]);
        expect(["rows", "retry"]).toContain(outcomes[0].kind);
        expect(["rows", "behind"]).toContain(outcomes[1].kind);
        if (outcomes[0].kind !== "rows") return false;
        open = outcomes[1].kind === "rows" ? [next(), next()] : [second!, next()];
        return true;
      });
    }
    for (const request of open) {
      await waitFor(async () => (await sink.write(request, attempt())).kind === "rows");
    }
    await killing;
    const sql = postgres(server.url, { max: 1 });
    const [row] = await sql`SELECT count(*)::int AS n, count(DISTINCT id)::int AS ids FROM killed`;
    expect(row).toEqual({ n: requests * 50, ids: requests * 50 });
    await sql.end();
  } finally {
    await sink.close();
    await server.close();
  }
}, 60_000);
