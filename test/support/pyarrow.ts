/** pyarrow, the Parquet implementation of Apache Arrow, from PyPI: installed once into the cache. */

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { installPythonPackage } from "./python-package.ts";

const VERSION = "21.0.0";
const run = promisify(execFile);

/** What it says of a file. */
export interface ArrowTable {
  /** Type of each column, by name. */
  readonly types: Record<string, string>;
  /** Each row with its values as text; null for none. */
  readonly rows: Record<string, string | null>[];
}

const READ = `
import json, sys
import pyarrow.parquet as parquet
tables = []
for path in sys.argv[1:]:
    table = parquet.read_table(path, partitioning=None)
    types = {field.name: str(field.type) for field in table.schema}
    # Timestamps beyond what Python's own hold stay numbers.
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        if types[name].startswith("timestamp"): column = column.cast("int64")
        columns[name] = [None if v is None else v.hex() if isinstance(v, bytes) else str(v) for v in column.to_pylist()]
    rows = [dict(zip(columns, values)) for values in zip(*columns.values())]
    tables.append({"types": types, "rows": rows})
json.dump(tables, sys.stdout)
`;

/** Reads files. */
export async function readByPyarrow(paths: readonly string[]): Promise<ArrowTable[]> {
  const folder = await installPythonPackage(`pyarrow-${VERSION}`, `pyarrow==${VERSION}`);
  const env = { ...process.env, PYTHONPATH: folder };
  const options = { env, maxBuffer: 256 << 20, timeout: 120_000 };
  const { stdout } = await run("python3", ["-c", READ, ...paths], options);
  return JSON.parse(stdout) as ArrowTable[];
}
