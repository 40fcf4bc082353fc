import { afterAll, beforeAll, expect, test } from "vitest";
import { call, createSink, createStream } from "../support/api.ts";
import { hasJava, startKafka, type TestKafka } from "../support/kafka.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";
import { connect, countRows } from "../support/table.ts";

const COUNT = 100_000;

let server: TestServer;
let kafka: TestKafka | undefined;

beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  await kafka?.close();
  await server?.close();
});

test("K26: 100,000 records of a Kafka topic arrive, through kills of connector and broker, exactly once in a table by their id", async ({
  skip,
}) => {
  // With a JDK and Maven it fails, and is not left out, when Kafka cannot be had.
  if (!(await hasJava())) skip("this machine has no JDK or no Maven");
  kafka = await startKafka();
  const stream = await createStream(server, "topic", { fields: { event: "JSON", n: "LONG" } });
  await createSink(server, stream, {
    id: "table",
    postgres: {
      table: "topic",
      mode: "UPSERT",
      primaryKey: ["producer_id"],
      metadataColumns: { producerId: "producer_id" },
    },
  });
  const source = await call<{ url: string; secret: string; source: { name: string } }>(
    server,
    "management.v1.SourceService/CreateSource",
    {
      parent: stream,
      sourceId: "kafka",
      source: { apiKey: {}, recordIdPath: "event.id", quarantine: true },
    },
  );
  await kafka.produce("events", COUNT);
  await kafka.startConnect({
    "connector.class": "HttpLinesConnector",
    "tasks.max": "1",
    topics: "events",
    "http.url": source.url,
    "http.headers.additional": `x-api-key:${source.secret}`,
    "batch.max.size": "100",
    "consumer.override.auto.offset.reset": "earliest",
  });
  const sql = connect(server.env.SINK_DATABASE_URL ?? "");
  const rows = () => countRows(sql, "topic").catch(() => 0);
  const told = () => `${kafka?.output()}`.slice(-3_000);
  const reach = async (count: number) => {
    await waitFor(
      async () => {
        if ((await kafka?.taskState()) === "FAILED") await kafka?.restartTask();
        return (await rows()) >= count;
      },
      { timeoutMs: 200_000, what: () => `${count} rows: ${told()}` },
    );
  };
  await reach(1);
  await kafka.restartConnect();
  await reach(COUNT * 0.3);
  await kafka.restartBroker();
  await reach(COUNT * 0.6);
  await kafka.restartConnect();
  await kafka.restartBroker();
  await reach(COUNT);
  const [facts] = await sql`
    SELECT count(*)::int AS rows, count(DISTINCT n)::int AS numbers, min(n)::int AS first, max(n)::int AS last,
      count(*) FILTER (WHERE producer_id <> 'e-' || n)::int AS mixed FROM topic`;
  expect(facts).toEqual({ rows: COUNT, numbers: COUNT, first: 0, last: COUNT - 1, mixed: 0 });
  const { source: after } = await call<{ source: { stats?: { quarantined?: string } } }>(
    server,
    "management.v1.SourceService/GetSource",
    { name: source.source.name },
  );
  expect(after.stats?.quarantined ?? "0").toBe("0");
  await sql.end();
}, 900_000);
