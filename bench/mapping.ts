/**
 * Templates evaluated a second on one core, beside the same templates in go-jsonnet: the Python package
 * gojsonnet, where JSONNET_ORACLE names a Python that has it. There the body comes as an external
 * variable, since host functions have no other form in it.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { compileTemplate, type HostFunctions, type Template } from "../src/jsonnet/index.ts";
import { benchRows } from "./mapping-rows.ts";
import { describeMachine, type Measurement, type Report } from "./report.ts";
import type { BenchOptions } from "./rig.ts";

interface Context {
  readonly body: unknown;
}

const BODY = {
  action: "opened",
  issue: {
    id: 42,
    title: "Cannot open the door",
    labels: [
      { name: "bug", color: "d73a4a" },
      { name: "door", color: "a2eeef" },
    ],
    user: { login: "mona", id: 7 },
  },
};

const TEMPLATES: Readonly<Record<string, string>> = {
  "one path": "Body('issue.id')",
  "paths in a string": "'#' + Body('issue.id') + ': ' + Body('issue.title')",
  "object of paths":
    "{ id: Body('issue.id'), title: Body('issue.title'), user: Body('issue.user.login') }",
  "object comprehension and std":
    "{ [l.name]: std.asciiUpper(l.color) for l in Body('issue.labels') } + " +
    "{ count: std.length(Body('issue.labels')), short: std.substr(Body('issue.title'), 0, 6) }",
  format: "'%s-%05d' % [Body('issue.title'), Body('issue.id')]",
};

const functions: HostFunctions<Context> = {
  Body: {
    params: ["path"],
    run: ({ body }, path) => follow(body, String(path).split(".")),
    prepare: ([path]) => {
      if (typeof path?.value !== "string") return undefined;
      const keys = path.value.split(".");
      return ({ body }) => follow(body, keys);
    },
  },
};

function follow(body: unknown, keys: readonly string[]): unknown {
  let value = body;
  for (const key of keys) value = (value as Record<string, unknown>)[key];
  return value;
}

/** Rates of this implementation and, where it can be had, of the other. */
export async function benchMapping(options: BenchOptions): Promise<Report> {
  const measurements: Measurement[] = [];
  const wanted = new RegExp(options.only);
  const names = Object.keys(TEMPLATES).filter((name) => wanted.test(name));
  const peer = process.env.JSONNET_ORACLE;
  for (let run = 0; run < options.runs; run++) {
    measurements.push(...(await benchRows({ ...options, only: wanted, body: BODY })));
    for (const name of names) {
      const source = TEMPLATES[name] as string;
      const template = compileTemplate(source, { functions });
      const recordsPerSecond = measure(template, options.seconds);
      measurements.push({ name: `template: ${name}`, recordsPerSecond });
      if (!peer) continue;
      const rate = measurePeer(peer, source, options.seconds);
      measurements.push({ name: `go-jsonnet: ${name}`, recordsPerSecond: rate });
    }
  }
  const other = peer
    ? "go-jsonnet 0.22 as the Python package gojsonnet, which has no compiled form: it parses each time"
    : "without a peer: JSONNET_ORACLE names a Python that has gojsonnet";
  const notes = [
    ...describeMachine().slice(0, 1),
    "rows: records a second of CPU time through a sink's mapping, threads of templates included, from JSON bytes to JSON bytes",
    "templates: evaluations a second of CPU time, in one thread; the body is parsed before",
    other,
  ];
  return { title: "Mapping", notes, measurements };
}

function measure(template: Template<Context>, seconds: number): number {
  const context = { body: BODY };
  const begin = process.cpuUsage();
  let count = 0;
  let elapsed = 0;
  while (elapsed < seconds * 1e6) {
    for (let i = 0; i < 1000; i++) template.evaluate(context);
    count += 1000;
    const { user, system } = process.cpuUsage(begin);
    elapsed = user + system;
  }
  return (count * 1e6) / elapsed;
}

function measurePeer(python: string, source: string, seconds: number): number {
  const path =
    "function(path) std.foldl(function(o, k) o[k], std.split(path, '.'), std.extVar('body'))";
  const input = JSON.stringify({ source: `local Body = ${path}; ${source}`, body: BODY, seconds });
  const script = join(import.meta.dirname, "mapping-peer.py");
  return Number(execFileSync(python, [script], { input, encoding: "utf8" }));
}
