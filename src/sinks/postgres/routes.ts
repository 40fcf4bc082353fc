/** Which table a record goes to. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { clone } from "@bufbuild/protobuf";
import { type PostgresSink, PostgresSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type, type Schema } from "#gen/tributary/management/v1/stream_pb.js";
import type { FieldViolation } from "../../core/errors.ts";
import { forEachMember } from "../../core/json-members.ts";
import type { SinkRow } from "../sink.ts";

/** Rows that go to one table. */
export interface RoutedRows {
  readonly table: string;
  readonly rows: readonly SinkRow[];
  readonly indexes?: readonly number[];
}

const TEMPLATE = /^([a-z0-9_]*)\{([A-Za-z_][A-Za-z0-9_-]*)\}([a-z0-9_]*)$/;
const IDENTIFIER = /^[a-z_][a-z0-9_]{0,62}$/;
const SLICE_ROWS = 1000;
const TYPES: readonly Field_Type[] = [Field_Type.STRING, Field_Type.LONG, Field_Type.BOOLEAN];

/** Faults of the routing, by paths below the configuration. */
export function checkRouting(config: PostgresSink, schema: Schema): FieldViolation[] {
  const { routing, primaryKey } = config;
  if (!routing) return [];
  const violations = routing.tables.flatMap((table, i) =>
    IDENTIFIER.test(table) && table !== config.table
      ? []
      : [{ field: `routing.tables[${i}]`, description: tableFault(table === config.table) }],
  );
  const add = (description: string) => violations.push({ field: "routing.template", description });
  const name = TEMPLATE.exec(routing.template)?.[2];
  const field = schema.fields.find((candidate) => candidate.name === name);
  if (name === undefined) {
    add("must be lower-case letters, digits and _ around one field in braces: events_{kind}");
  } else if (!field) add(`there is no field ${name}`);
  else if (!TYPES.includes(field.type)) add(`${name} must be a STRING, LONG or BOOLEAN`);
  else if (primaryKey.length > 0 && !primaryKey.includes(name)) {
    add(`${name} must be part of the primary key: else a row could stand in two tables`);
  }
  return violations;
}

function tableFault(isRest: boolean): string {
  return isRest ? "is the table of the other records" : "must match [a-z_][a-z0-9_]{0,62}";
}

/** A configuration for each table, `table` itself first. */
export function configsOf(config: PostgresSink): PostgresSink[] {
  const others = (config.routing?.tables ?? []).map((table) =>
    Object.assign(clone(PostgresSinkSchema, config), { table }),
  );
  return [config, ...others];
}

/**
 * Sorts rows by their tables; order is kept within each. Tables are always in the same order, so that
 * two transactions cannot wait for each other. Yields, so that pushes in the same process do not wait.
 */
export async function routeRows(
  config: PostgresSink,
  rows: readonly SinkRow[],
): Promise<readonly RoutedRows[]> {
  const [, head = "", field, tail = ""] = TEMPLATE.exec(config.routing?.template ?? "") ?? [];
  if (field === undefined) return [{ table: config.table, rows }];
  const known = new Set(config.routing?.tables);
  const found = new Map<string, { rows: SinkRow[]; indexes: number[] }>();
  for (const [index, row] of rows.entries()) {
    if (index % SLICE_ROWS === SLICE_ROWS - 1) await nextTurn();
    const name = `${head}${memberText(row, field)}${tail}`;
    const table = known.has(name) ? name : config.table;
    const routed = found.get(table) ?? { rows: [], indexes: [] };
    routed.rows.push(row);
    routed.indexes.push(index);
    found.set(table, routed);
  }
  const sorted = [...found].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([table, routed]) => ({ table, ...routed }));
}

/** Text of a top-level member; empty when it is missing. */
function memberText({ json: { buffer, byteOffset, length } }: SinkRow, field: string): string {
  let text = "";
  forEachMember(Buffer.from(buffer, byteOffset, length).toString(), (name, json) => {
    if (name === field) text = json.startsWith('"') ? (JSON.parse(json) as string) : json;
  });
  return text;
}
