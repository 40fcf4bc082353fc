/** A column with a field of the record. */
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { nearestWord } from "../../core/nearest-word.ts";
import { ColumnFault, type ColumnType } from "./column.ts";

const NESTED: ReadonlySet<Field_Type> = new Set([
  Field_Type.ARRAY,
  Field_Type.MAP,
  Field_Type.STRUCT,
]);

/** The field of the schema, by name; a nullable one that is missing is null. */
export const fieldColumn: ColumnType<"field"> = {
  compile({ name: chosen }, { column, schema, fields }) {
    const name = chosen || column.name;
    const field = schema.fields.find((one) => one.name === name);
    if (!field) {
      const near = nearestWord(
        name,
        schema.fields.map((one) => one.name),
      );
      const description = `the stream has no field ${name}${near ? `; did you mean ${near}?` : ""}`;
      return { field: "field.name", description };
    }
    const slot = fields.add([name]);
    const missing = field.nullable ? "null" : new ColumnFault(`the field ${name} is missing`);
    return {
      type: NESTED.has(field.type) ? Field_Type.JSON : field.type,
      // A nullable field may be null where the column may not.
      isSure: !field.nullable || column.nullable,
      read: (view) => view.fieldAt(slot) ?? missing,
    };
  },
};
