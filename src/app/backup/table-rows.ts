import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** The rows of a table of a backup, one after the other. */
export async function* readRows<T>(folder: string, table: string): AsyncGenerator<T> {
  const input = createReadStream(join(folder, "tables", `${table}.ndjson`));
  for await (const line of createInterface({ input })) {
    if (line !== "") yield JSON.parse(line) as T;
  }
}
