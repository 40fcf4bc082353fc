/** A column with the value at a path of the body. */
import { toJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { readPath } from "../../core/json-path.ts";
import { ColumnFault, type ColumnType } from "./column.ts";

/** K08, K09: without a default a missing path holds the row. */
export const pathColumn: ColumnType<"path"> = {
  compile({ path: source, default: fallback }, { paths }) {
    const path = readPath(source);
    if (typeof path === "string") return { field: "path.path", description: path };
    const slot = paths.add(path);
    const defaultText = fallback && JSON.stringify(toJson(ValueSchema, fallback));
    const missing = new ColumnFault(`the path ${source} is missing`);
    return {
      type: Field_Type.JSON,
      isSure: true,
      read: (view) => view.valueAt(slot) ?? defaultText ?? missing,
    };
  },
};
