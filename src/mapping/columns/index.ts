/** Every kind of column there is. */
import type { ColumnKind, ColumnType } from "./column.ts";
import { bodyColumn, datetimeColumn, headersColumn, idColumn, ipColumn } from "./facts.ts";
import { fieldColumn } from "./field.ts";
import { pathColumn } from "./path.ts";
import { templateColumn } from "./template.ts";

/** One for each case of the oneof in mapping.proto: the compiler checks that none is missing. */
export const columnTypes = {
  id: idColumn,
  datetime: datetimeColumn,
  ip: ipColumn,
  body: bodyColumn,
  headers: headersColumn,
  path: pathColumn,
  template: templateColumn,
  field: fieldColumn,
} satisfies { [K in ColumnKind]: ColumnType<K> };
