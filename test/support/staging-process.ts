/**
 * A process that stages and imports the rows of one partition on real servers, and kills itself with -9
 * at a point. Its arguments: JSON of StagingProcessInput. It goes on from what the staging keeps, as
 * delivery does.
 */
import { create } from "@bufbuild/protobuf";
import { PostgresSinkSchema, SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type, SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { createBus } from "../../src/bus/index.ts";
import type { SinkDefinition } from "../../src/core/definitions.ts";
import { importBatch } from "../../src/delivery/staged-batch.ts";
import { createStagingArea } from "../../src/delivery/staging-area.ts";
import { noTemplates } from "../../src/mapping/row-transform.ts";
import { postgresDriver } from "../../src/sinks/postgres/driver.ts";
import type { SinkRequest } from "../../src/sinks/sink.ts";
import { environment, rowsOf } from "../sinks/sample.ts";
import { quietLogger } from "./quiet-logger.ts";

/** What such a process is told. */
export interface StagingProcessInput {
  readonly natsUrl: string;
  readonly databaseUrl: string;
  readonly table: string;
  /** Requests in all, by all processes. */
  readonly requests: number;
  readonly rowsPerRequest: number;
  /** Owners ascend. */
  readonly epoch: number;
  /** Where it dies; empty for nowhere. */
  readonly point: string;
  /** At which passing of the point. */
  readonly passing: number;
}

const uid = "staged00000000000001";
const log = { uid: "loguid00000000000001", branch: "main", shard: 0 };

async function main(input: StagingProcessInput): Promise<void> {
  const bus = await createBus({ url: input.natsUrl, shards: 1, logger: quietLogger });
  let left = input.passing;
  const area = createStagingArea(await bus.openKeyedLog("staging"), {
    at(point) {
      if (point !== input.point) return;
      left -= 1;
      if (left === 0) process.kill(process.pid, "SIGKILL");
    },
  });
  const schema = create(SchemaSchema, { fields: [{ name: "id", type: Field_Type.LONG }] });
  const config = create(PostgresSinkSchema, {
    databaseUrl: input.databaseUrl,
    table: input.table,
    staging: { count: 1n },
  });
  const sink = definitionOf(config);
  const port = area.ports.open({ uid, logUid: log.uid, version: 1 });
  const env = environment({ schema, sinkUid: uid, logUid: log.uid, staging: port });
  const open = await postgresDriver.open(config, env);
  const kept = await open.resume!(0, input.epoch);
  const parts = {
    area,
    drivers: { postgres: postgresDriver },
    environment: env,
    templates: noTemplates,
    now: Date.now,
    definitions: { streamByLog: () => ({ schema, name: "projects/p/streams/s" }) } as never,
  };
  const importAll = async () => {
    while (await importBatch(parts, sink, { signal: AbortSignal.timeout(30_000) }));
  };
  let done = kept ? Number(Buffer.from(kept.cursor).toString()) : 0;
  while (done < input.requests) {
    const outcome = await open.write(requestOf(input, done + 1), AbortSignal.timeout(30_000));
    if (outcome.kind !== "rows") throw new Error(JSON.stringify(outcome));
    done += 1;
    if (done % 3 === 0) await importAll();
  }
  await importAll();
  await bus.close();
}

function requestOf(input: StagingProcessInput, number: number): SinkRequest {
  const from = (number - 1) * input.rowsPerRequest;
  const values = Array.from({ length: input.rowsPerRequest }, (_, i) => ({ id: from + i }));
  return {
    id: `r-${number}`,
    partition: 0,
    generation: 1,
    epoch: input.epoch,
    rows: rowsOf(values, number),
    isReplay: false,
    cursor: Buffer.from(String(number)),
  };
}

function definitionOf(
  config: ReturnType<typeof create<typeof PostgresSinkSchema>>,
): SinkDefinition {
  const sink = create(SinkSchema, { config: { case: "postgres", value: config } });
  return {
    uid,
    name: "projects/p/streams/s/sinks/k",
    projectUid: "p",
    streamName: "projects/p/streams/s",
    log,
    startSequence: 1,
    isPaused: false,
    restarts: 0,
    versions: [{ version: 1, fromSequence: 1, sink }],
  };
}

await main(JSON.parse(process.argv[2] ?? "") as StagingProcessInput);
process.exit(0);
