import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";

/** Types whose values can tell records apart: for keys of streams and of tables. */
export const KEY_TYPES: ReadonlySet<Field_Type> = new Set([
  Field_Type.STRING,
  Field_Type.LONG,
  Field_Type.DECIMAL,
  Field_Type.BOOLEAN,
  Field_Type.TIMESTAMP,
  Field_Type.DATE,
  Field_Type.BINARY,
]);
