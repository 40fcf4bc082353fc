/** Makes a Parquet file. Takes as long as it takes: to be run in a thread (`thread.ts`). */
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { SchemaElement } from "hyparquet";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { forEachMember } from "../../core/json-members.ts";
import { type Cell, CellFault, cellOf } from "./cell.ts";
import type { ColumnType, ParquetColumn } from "./column.ts";
import type { ParquetFile, ParquetJob, RefusedRow } from "./job.ts";

const TEXT: Omit<SchemaElement, "name"> = {
  type: "BYTE_ARRAY",
  converted_type: "UTF8",
  logical_type: { type: "STRING" },
};

const ELEMENTS: Readonly<Record<ColumnType, Omit<SchemaElement, "name">>> = {
  text: TEXT,
  json: TEXT,
  long: { type: "INT64" },
  double: { type: "DOUBLE" },
  boolean: { type: "BOOLEAN" },
  micros: {
    type: "INT64",
    logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
    converted_type: "TIMESTAMP_MICROS",
  },
  date: { type: "INT32", converted_type: "DATE", logical_type: { type: "DATE" } },
  bytes: { type: "BYTE_ARRAY" },
};

const COMPRESSORS = {
  GZIP: (input: Uint8Array) => gzipSync(input),
  ZSTD: (input: Uint8Array) => zstdCompressSync(input),
};

/** The same job makes the same bytes. */
export async function encodeParquetFile(job: ParquetJob): Promise<ParquetFile> {
  const { columns, codec, metadata } = job;
  const writer = new ByteWriter(Math.max(1024, job.text.length));
  const file = new ParquetWriter({
    writer,
    codec,
    compressors: COMPRESSORS,
    schema: [
      { name: "root", num_children: columns.length },
      ...columns.map(({ name, type }) => ({
        name,
        repetition_type: "OPTIONAL" as const,
        ...ELEMENTS[type],
      })),
    ],
    kvMetadata: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    createdBy: "tributary",
  });
  const refused: RefusedRow[] = [];
  let first = 0;
  for (const count of job.groups) {
    const cells = readGroup(job, { first, count, refused });
    first += count;
    if (cells[0]?.length === 0) continue;
    await file.write({
      columnData: columns.map(({ name, isUnique }, i) => ({
        name,
        data: cells[i]!,
        ...(isUnique && { encoding: "PLAIN", statistics: false }),
      })),
      rowGroupSize: count,
    });
  }
  await file.finish();
  return { bytes: writer.getBytes().slice(), rows: first - refused.length, refused };
}

interface Group {
  readonly first: number;
  readonly count: number;
  readonly refused: RefusedRow[];
}

/** Values of a row group, column by column. */
function readGroup(job: ParquetJob, { first, count, refused }: Group): Cell[][] {
  const { columns } = job;
  const cells: Cell[][] = columns.map(() => []);
  for (let row = first; row < first + count; row++) {
    const found = readRow(job, row);
    if ("why" in found) refused.push(found);
    else for (let i = 0; i < columns.length; i++) cells[i]!.push(found.cells[i]!);
  }
  return cells;
}

function readRow(job: ParquetJob, row: number): { readonly cells: Cell[] } | RefusedRow {
  const bytes = job.text.subarray(row === 0 ? 0 : job.ends[row - 1]!, job.ends[row]!);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  const members = new Map<string, string>();
  forEachMember(text, (name, value) => members.set(name, value));
  const cells: Cell[] = [];
  for (const column of job.columns) {
    try {
      cells.push(readCell(job, column, { row, text, members }));
    } catch (error) {
      if (!(error instanceof CellFault)) throw error;
      if (!job.isLenient) return { row, field: column.name, why: error.message };
      cells.push(null);
    }
  }
  return { cells };
}

function readCell(
  job: ParquetJob,
  { name, type, source }: ParquetColumn,
  { row, text, members }: { row: number; text: string; members: ReadonlyMap<string, string> },
): Cell {
  if (source === "row") return text;
  if (source === "given") return (job.given[name]?.[row] ?? null) as Cell;
  return cellOf(type, members.get(name));
}
