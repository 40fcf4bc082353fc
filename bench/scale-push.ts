/** What a push costs when one, a hundred and ten thousand streams exist. */
import { createStream } from "../test/support/api.ts";
import { FIELDS } from "./records.ts";
import { describeMachine, formatMemory, type Measurement, type Report } from "./report.ts";
import { measureRest } from "./rest-load.ts";
import { type BenchOptions, openRig, type Rig } from "./rig.ts";

const COUNTS = [1, 100, 10_000];
const CALLERS = 64;
/** Streams that are made at once. */
const MAKERS = 8;

/** Pushes of one record to the first stream, and to a hundred of them in turn. */
export async function benchScalePush(options: BenchOptions): Promise<Report> {
  const rig = await openRig(options);
  const measurements: Measurement[] = [];
  try {
    const streams: string[] = [];
    for (const count of COUNTS) {
      const want = new RegExp(options.only);
      const works = [
        { name: `${count} streams, pushes to one`, targets: 1 },
        { name: `${count} streams, pushes to 100 of them`, targets: 100 },
      ].filter(({ name, targets }) => targets <= count && want.test(name));
      if (works.length === 0) continue;
      await makeStreams(rig, streams, count);
      // Code that has not run yet is several times slower.
      if (measurements.length === 0) await measureSingles(rig, streams.slice(0, 1), 2);
      for (let run = 0; run < options.runs; run++) {
        for (const { name, targets } of works) {
          const result = await measureSingles(rig, streams.slice(-targets), options.seconds);
          measurements.push({ ...result, name });
        }
      }
    }
  } finally {
    await rig.close();
  }
  const notes = [
    ...describeMachine(),
    `${CALLERS} callers, calls of one record; every OK after fsync`,
    `memory at rest, before the streams: ${formatMemory(rig.idle)}`,
  ];
  return { title: "Pushes beside many streams", notes, measurements };
}

async function makeStreams({ server }: Rig, streams: string[], count: number): Promise<void> {
  const make = async () => {
    while (streams.length < count) {
      const place = streams.length;
      streams.push("");
      streams[place] = await createStream(server, `scale-${place}`, {
        fields: FIELDS,
        keyFields: ["sensor_id"],
      });
    }
  };
  await Promise.all(Array.from({ length: MAKERS }, make));
}

function measureSingles(rig: Rig, streams: readonly string[], seconds: number) {
  const paths = streams.map((stream) => `/v1/${stream}/records`);
  return measureRest(rig, { paths, count: 1, callers: CALLERS, seconds });
}
