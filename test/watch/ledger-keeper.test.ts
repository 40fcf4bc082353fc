import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { ensureOperator } from "../../src/catalog/demo.ts";
import type { SinkDefinition } from "../../src/core/definitions.ts";
import { noTemplates } from "../../src/mapping/row-transform.ts";
import { startLedgerKeeper } from "../../src/watch/ledger-keeper.ts";
import { getLedger } from "../../src/watch/ledger-methods.ts";
import type { Status } from "../../src/watch/sink-conditions.ts";
import { useTestCatalog } from "../support/catalog.ts";
import { quietLogger } from "../support/quiet-logger.ts";

const startMs = Date.parse("2026-05-01T00:00:00Z");
const MINUTE_MS = 60_000;

test("N07: between two times the ledger is what changed from entry to entry, and adds up although records waited before", async () => {
  const { catalog, snapshot, as, database } = await useTestCatalog();
  await ensureOperator(catalog, { clientId: "ops", clientSecret: "secret" });
  const { projects, streams, sinks } = as("ops");
  await projects.createProject({ projectId: "p", project: {} });
  const schema = { fields: [{ name: "n", type: Field_Type.LONG }] };
  await streams.createStream({ parent: "projects/p", streamId: "s", stream: { schema } });
  const { sink } = await sinks.createSink({
    parent: "projects/p/streams/s",
    sinkId: "k",
    sink: { config: { case: "file", value: { directory: "out" } } },
  });
  let nowMs = startMs;
  let counts: Record<string, bigint> = { pushed: 10n, delivered: 4n, pending: 6n };
  const statuses = async (wanted: Iterable<SinkDefinition>) =>
    new Map([...wanted].map(({ uid }) => [uid, { counts } as Status]));
  const now = () => nowMs;
  const common = { database, logger: quietLogger, definitions: snapshot, statuses, now };
  const keeper = startLedgerKeeper({ ...common, isOwner: () => true });
  await keeper.keep();
  nowMs += 15 * MINUTE_MS;
  counts = { pushed: 30n, delivered: 20n, filtered: 3n, held: 2n, discarded: 1n, pending: 4n };
  await keeper.keep();
  nowMs += 15 * MINUTE_MS;
  await keeper.keep();
  keeper.close();
  const rows = await database.sql`SELECT 1 FROM tributary.sink_ledgers`;
  expect(rows).toHaveLength(2);

  const partitions = async () => [];
  const parts = { ...common, reader: catalog.logs, templates: noTemplates, partitions };
  const at = (minutes: number) => timestampFromMs(startMs + minutes * MINUTE_MS);
  const ledgerOf = async (range: { startTime?: unknown; endTime?: unknown }) =>
    (await getLedger(parts, { name: sink!.name, ...range } as never)).ledger;
  expect(await ledgerOf({ startTime: at(5), endTime: at(16) })).toMatchObject({
    balanced: true,
    counts: { pushed: 20n, delivered: 16n, filtered: 3n, held: 2n, discarded: 1n, pending: -2n },
    startTime: at(0),
    endTime: at(15),
  });
  expect(await ledgerOf({ endTime: at(1) })).toMatchObject({ counts: { pushed: 10n } });
  expect(await ledgerOf({ startTime: at(20) })).toMatchObject({ counts: { pushed: 0n } });
  expect(await ledgerOf({})).toMatchObject({ balanced: true, counts: { pushed: 30n } });
});
