/** Samples that people paste, read into records to infer a schema from. */
import type { InferSchemaRequest } from "#gen/tributary/management/v1/stream_service_pb.js";
import { failFields } from "../core/errors.ts";
import { JsonFault, positionOf } from "../core/json-fault.ts";
import { peekSpaced, scanValue } from "../core/json-scan.ts";
import { parseKeepingNumbers } from "../core/schema-evolve.ts";
import { inferSchema, NumberText } from "../core/schema-infer.ts";
import { recordScan } from "../core/schema-scan.ts";

const RECORDS_MAX = 10_000;

/**
 * Infers from samples: each is one JSON object, an array of them, or objects one after another (NDJSON).
 * `[{"value": …}]`, as pushes have it, gives the values. Fails with INVALID_FIELDS, naming line and
 * column.
 */
export function inferFromSamples({ samples }: InferSchemaRequest) {
  const records = samples.flatMap((sample, i) => readSample(sample, `samples[${i}]`));
  if (records.length === 0) {
    throw failFields([{ field: "samples", description: "give at least one record as JSON" }]);
  }
  if (records.length > RECORDS_MAX) {
    const description = `at most ${RECORDS_MAX} records; these are ${records.length}`;
    throw failFields([{ field: "samples", description }]);
  }
  const { schema, unusableNames } = inferSchema(records);
  const notes = unusableNames.map(
    (name) =>
      `${JSON.stringify(name)} cannot be a field: a name is a letter or underscore, then letters, ` +
      "digits, _ and -; nest it in a field of type JSON, or choose the mode OPEN",
  );
  return { schema, notes, recordCount: records.length };
}

function readSample(sample: string, field: string): object[] {
  const bytes = Buffer.from(sample);
  const values: unknown[] = [];
  const scan = recordScan(bytes);
  try {
    if (bytes.indexOf("\uFEFF") === 0) scan.at = 3;
    while (peekSpaced(scan) !== -1) {
      const start = scan.at;
      scanValue(scan, 1);
      values.push(parseKeepingNumbers(bytes.toString("utf8", start, scan.at)));
      if (values.length > 0 && peekSpaced(scan) === 0x2c) scan.at += 1;
    }
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    const { line, column } = positionOf(bytes, error.offset);
    const description = `is not valid JSON at line ${line}, column ${column}: ${error.message}`;
    throw failFields([{ field, description }]);
  }
  const [only] = values;
  const items = values.length === 1 && Array.isArray(only) ? (only as unknown[]) : values;
  return unwrap(items, field);
}

function unwrap(items: readonly unknown[], field: string): object[] {
  const isWrapped = (item: unknown) => isRecord(item) && Object.keys(item).join() === "value";
  const isAllWrapped = items.every((item) => isWrapped(item) && isRecord(wrappedValue(item)));
  return items.map((item, i) => {
    const record = isAllWrapped ? wrappedValue(item) : item;
    if (isRecord(record)) return record;
    const place = items.length > 1 ? `${field}[${i}]` : field;
    throw failFields([{ field: place, description: "is not a JSON object; a record is one" }]);
  });
}

function wrappedValue(item: unknown): unknown {
  return (item as { readonly value: unknown }).value;
}

function isRecord(value: unknown): value is object {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject && !(value instanceof NumberText);
}
