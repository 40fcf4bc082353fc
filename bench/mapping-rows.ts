/** Rows that a sink's mapping makes a second of CPU time, all threads together. */
import { create } from "@bufbuild/protobuf";
import { type Mapping, MappingSchema } from "#gen/tributary/management/v1/mapping_pb.js";
import { Field_Type, SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { compileTransform, type RowTransform } from "../src/mapping/row-transform.ts";
import { createTemplatePool } from "../src/mapping/templates/template-pool.ts";
import type { Measurement } from "./report.ts";

const { STRING, LONG, JSON: JSON_TYPE } = Field_Type;

const schema = create(SchemaSchema, {
  fields: [
    { name: "action", type: STRING },
    { name: "number", type: LONG },
    { name: "issue", type: JSON_TYPE },
  ],
});

const field = (name: string, type: Field_Type) => ({
  name: `f_${name}`,
  type,
  nullable: true,
  value: { case: "field" as const, value: { name } },
});
const path = (name: string, at: string, type = STRING) => ({
  name: `p_${name}`,
  type,
  nullable: true,
  value: { case: "path" as const, value: { path: at } },
});
const template = (name: string, content: string) => ({
  name: `t_${name}`,
  type: STRING,
  nullable: true,
  value: { case: "template" as const, value: { language: "jsonnet", content } },
});

const PATHS = [
  path("action", "action"),
  path("id", "issue.id", LONG),
  path("title", "issue.title"),
  path("login", "issue.user.login"),
  path("label", "issue.labels[0].name"),
];
const TEMPLATES = [
  template("headline", "'#' + Body('issue.id') + ': ' + Body('issue.title')"),
  template("user", "Body('issue.user.login')"),
];

const MAPPINGS: Readonly<Record<string, Mapping>> = {
  "3 field columns": create(MappingSchema, {
    columns: [field("action", STRING), field("number", LONG), field("issue", JSON_TYPE)],
  }),
  "5 path columns": create(MappingSchema, { columns: PATHS }),
  "2 template columns": create(MappingSchema, { columns: TEMPLATES }),
  "5 path and 2 template columns": create(MappingSchema, { columns: [...PATHS, ...TEMPLATES] }),
};

const BATCH = 1_000;

/** One measurement for each kind of columns; `body` is the issue of a webhook. */
export async function benchRows(options: {
  readonly seconds: number;
  readonly only: RegExp;
  readonly body: object;
}): Promise<Measurement[]> {
  const { seconds, only, body } = options;
  const pool = createTemplatePool({ threads: 1 });
  const measurements: Measurement[] = [];
  try {
    for (const [name, mapping] of Object.entries(MAPPINGS)) {
      if (!only.test(name)) continue;
      const transform = compileTransform({ mapping }, schema, pool);
      if (Array.isArray(transform)) throw new Error(JSON.stringify(transform));
      await measure(transform, body, 0.5);
      measurements.push({
        name: `rows: ${name}`,
        recordsPerSecond: await measure(transform, body, seconds),
      });
    }
  } finally {
    await pool.close();
  }
  return measurements;
}

/** Rows a second of CPU time of the whole process. */
async function measure({ map }: RowTransform, body: object, seconds: number): Promise<number> {
  const signal = new AbortController().signal;
  const records = Array.from({ length: BATCH }, (_, number) => ({
    recordId: "00000000-0000-7000-8000-000000000000",
    json: Buffer.from(JSON.stringify({ number, ...body })),
    arrivalTimeUs: 1_700_000_000_000_000,
    call: { address: "192.0.2.1", headers: [] },
  }));
  const begin = process.cpuUsage();
  let count = 0;
  let elapsed = 0;
  while (elapsed < seconds * 1e6) {
    const rows = await map?.(records, signal);
    const bad = rows?.find((row) => !(row instanceof Uint8Array));
    if (bad) throw new Error(JSON.stringify(bad));
    count += BATCH;
    const { user, system } = process.cpuUsage(begin);
    elapsed = user + system;
  }
  return (count * 1e6) / elapsed;
}
