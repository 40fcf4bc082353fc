/** The sink of another Tributary: PushStream beside a call of Push for each request. */
import { create } from "@bufbuild/protobuf";
import { TributarySink_Method, TributarySinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { sinkDrivers } from "../src/sinks/index.ts";
import { environment, requestOf, rowsOf, schemaOf } from "../test/sinks/sample.ts";
import { createStream } from "../test/support/api.ts";
import { cpuSeconds } from "./processes.ts";
import { describeMachine, type Measurement, type Report } from "./report.ts";
import { type BenchOptions, openRig, type Rig } from "./rig.ts";

const METHODS = { Push: TributarySink_Method.PUSH, PushStream: TributarySink_Method.PUSH_STREAM };
/** Records of one request. */
const SIZES = [10, 1_000];

/** Both methods one after the other in each round, with requests of two sizes. */
export async function benchRemote(options: BenchOptions): Promise<Report> {
  const rig = await openRig(options);
  const measurements: Measurement[] = [];
  try {
    for (let run = 0; run < options.runs; run++) {
      for (const size of SIZES) {
        for (const method of ["Push", "PushStream"] as const) {
          measurements.push(await measure(rig, { method, size, run, ...options }));
        }
      }
    }
  } finally {
    await rig.close();
  }
  const notes = [
    ...describeMachine(),
    "One request after the other, as the sink sends them; `load` is the sink's side.",
  ];
  return { title: "Another Tributary", notes, measurements };
}

async function measure(
  { server }: Rig,
  of: {
    readonly method: keyof typeof METHODS;
    readonly size: number;
    readonly run: number;
    readonly seconds: number;
  },
): Promise<Measurement> {
  const { method, size, run, seconds } = of;
  const id = `${method.toLowerCase()}-${size}-${run}`;
  const stream = await createStream(server, id, { fields: { id: "LONG" } });
  const config = create(TributarySinkSchema, {
    url: server.url,
    stream,
    clientId: server.env.CLIENT_ID ?? "",
    clientSecret: server.env.CLIENT_SECRET ?? "",
    method: METHODS[method],
  });
  const schema = schemaOf([{ name: "id", type: Field_Type.LONG }]);
  const sink = await sinkDrivers.tributary.open(config, environment({ schema, sinkUid: id }));
  const values = Array.from({ length: size }, (_, n) => ({ id: n }));
  let sequence = 0;
  const send = async () => {
    const request = requestOf(rowsOf(values, ++sequence));
    const outcome = await sink.write(request, AbortSignal.timeout(30_000));
    if (outcome.kind !== "rows") throw new Error(JSON.stringify(outcome));
  };
  for (let i = 0; i < 20; i++) await send();
  const begin = { at: performance.now(), node: cpuSeconds(server.child.pid!), own: own() };
  const first = sequence;
  while (performance.now() - begin.at < seconds * 1_000) await send();
  const elapsed = (performance.now() - begin.at) / 1_000;
  const calls = sequence - first;
  await sink.close();
  return {
    name: `${method}, requests of ${size}`,
    callsPerSecond: calls / elapsed,
    recordsPerSecond: (calls * size) / elapsed,
    cores: {
      node: (cpuSeconds(server.child.pid!) - begin.node) / elapsed,
      load: (own() - begin.own) / elapsed,
    },
  };
}

/** CPU seconds of this process. */
function own(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
