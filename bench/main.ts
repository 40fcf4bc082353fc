/** The command line of the benchmarks: `npm run bench -- push`. */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { benchDelivery } from "./delivery.ts";
import { benchFairness } from "./fairness.ts";
import { benchIsolation } from "./isolation.ts";
import { benchMapping } from "./mapping.ts";
import { benchPush } from "./push.ts";
import { benchRemote } from "./remote.ts";
import { formatReport, type Report, writeReport } from "./report.ts";
import type { BenchOptions } from "./rig.ts";
import { benchScalePush } from "./scale-push.ts";
import { benchSoak } from "./soak.ts";
import { benchSpread } from "./spread.ts";
import { benchTail } from "./tail.ts";
import { benchToken } from "./token.ts";

const USAGE = `npm run bench -- <push | delivery | remote | isolation | fairness | spread | token | mapping | tail | soak | scale-push | smoke> [options]
  --seconds 3     how long each measurement takes
  --runs 3        rounds over all measurements; tables show medians
  --minutes 60    how long the soak takes
  --only regexp   only measurements whose name matches
  --profile dir   keep a CPU profile of the server
  --json file     keep every measurement as JSON
  --write         put the table into bench/README.md
`;

const BENCHES: Readonly<Record<string, (options: BenchOptions) => Promise<Report>>> = {
  push: benchPush,
  delivery: benchDelivery,
  remote: benchRemote,
  isolation: benchIsolation,
  mapping: benchMapping,
  token: benchToken,
  tail: benchTail,
  fairness: benchFairness,
  spread: benchSpread,
  soak: benchSoak,
  "scale-push": benchScalePush,
  smoke: benchSmoke,
};

/** A short run of everything that takes load: for its errors, not for its figures. */
async function benchSmoke(options: BenchOptions): Promise<Report> {
  const short = { ...options, seconds: 0.5, runs: 1 };
  const reports = [
    await benchPush({ ...short, only: "^(REST JSON|source|Connect|gRPC).*calls of (1|100)$" }),
    await benchDelivery({ ...short, only: "^(postgres|webhook|latency)$" }),
    await benchToken(short),
  ];
  return {
    title: "Smoke",
    notes: reports.flatMap(({ notes }) => notes.slice(0, 1)).slice(0, 1),
    measurements: reports.flatMap(({ measurements }) => measurements),
  };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "3" },
    runs: { type: "string", default: "3" },
    minutes: { type: "string", default: "60" },
    only: { type: "string", default: "" },
    profile: { type: "string", default: "" },
    json: { type: "string" },
    write: { type: "boolean", default: false },
  },
});
const name = positionals[0] ?? "";
const bench = BENCHES[name];
if (bench) {
  const report = await bench({
    seconds: Number(values.seconds),
    runs: Number(values.runs),
    minutes: Number(values.minutes),
    only: values.only,
    profile: values.profile,
  });
  const text = formatReport(report);
  process.stdout.write(`${text}\n`);
  if (values.json) writeFileSync(values.json, JSON.stringify(report, null, 2));
  if (values.write) writeReport(name, text);
  if (report.measurements.some((each) => (each.errors ?? 0) > 0)) process.exitCode = 1;
} else {
  process.stderr.write(USAGE);
  process.exitCode = 2;
}
