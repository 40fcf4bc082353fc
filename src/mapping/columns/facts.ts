/** Columns that hold facts about a record: its id, arrival time, sender, body and headers. */
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { headerObject } from "../headers.ts";
import type { ColumnReader, ColumnType } from "./column.ts";

function factColumn(type: Field_Type, read: ColumnReader) {
  return { compile: () => ({ type, isSure: true, read }) };
}

/** K05 `id`. */
export const idColumn: ColumnType<"id"> = factColumn(
  Field_Type.STRING,
  (view) => `"${view.record.recordId}"`,
);

/** K05 `datetime`. */
export const datetimeColumn: ColumnType<"datetime"> = factColumn(
  Field_Type.TIMESTAMP,
  (view) => `"${view.time}"`,
);

/** K05 `ip`. */
export const ipColumn: ColumnType<"ip"> = factColumn(Field_Type.STRING, (view) =>
  JSON.stringify(view.record.call.address),
);

/** K05 `body`: the text of the body, byte for byte. */
export const bodyColumn: ColumnType<"body"> = factColumn(Field_Type.STRING, (view) =>
  JSON.stringify(view.body.text),
);

/** K05 `headers`. */
export const headersColumn: ColumnType<"headers"> = factColumn(Field_Type.JSON, (view) =>
  JSON.stringify(headerObject(view.record.call.headers)),
);
