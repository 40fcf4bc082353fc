/**
 * Records a second through scan and schema check on one core, beside JSON.parse of the same text:
 * `node bench/scan.ts`. Arrays of 100 records of 77 bytes.
 */
import { create } from "@bufbuild/protobuf";
import { Field_Type, FieldSchema, SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { requireUtf8 } from "../src/core/json-fault.ts";
import { compileSchema } from "../src/core/schema-check.ts";
import { recordScan } from "../src/core/schema-scan.ts";

const RECORD = '{"sensor_id":"bar4","temperature":4.132,"created_at":"2026-01-01T00:00:00Z"}';
const PER_CALL = 100;
const ROUND_MS = 500;

const field = (name: string, type: Field_Type) => create(FieldSchema, { name, type });
const schema = create(SchemaSchema, {
  fields: [
    field("sensor_id", Field_Type.STRING),
    field("temperature", Field_Type.DOUBLE),
    field("created_at", Field_Type.TIMESTAMP),
  ],
});
const check = compileSchema(schema, ["sensor_id"]);
const body = Buffer.from(`[${Array(PER_CALL).fill(RECORD).join(",")}]`);

function scanAll(): void {
  requireUtf8(body);
  const scan = recordScan(body);
  for (scan.at = 1; scan.at < body.length; scan.at++) check(scan);
  if (scan.faults.length > 0) throw new Error(scan.faults[0]?.description);
}

function measure(name: string, run: () => void): void {
  let best = 0;
  for (let round = 0; round < 5; round++) {
    const begin = performance.now();
    let calls = 0;
    for (; performance.now() - begin < ROUND_MS; calls++) run();
    best = Math.max(best, (calls * PER_CALL * 1000) / (performance.now() - begin));
  }
  console.log(`${name}: ${Math.round(best).toLocaleString("en")} records/s`);
}

measure("scan and check", scanAll);
measure("JSON.parse, checks nothing", () => JSON.parse(body.toString()));
