/** A column with the value at a path of the body. */
import { toJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { parseJsonPath } from "../../core/json-path.ts";
import { ColumnFault, type ColumnType } from "./column.ts";

/** K08, K09: without a default a missing path holds the row. */
export const pathColumn: ColumnType<"path"> = {
  compile({ path: source, default: fallback }, { paths }) {
    const parsed = parseJsonPath(source);
    if ("fault" in parsed) {
      return { field: "path.path", description: `${parsed.fault} at character ${parsed.at + 1}` };
    }
    if (parsed.end < source.length) {
      const description = `is no path at character ${parsed.end + 1}`;
      return { field: "path.path", description };
    }
    const slot = paths.add(parsed.path);
    const defaultText = fallback && JSON.stringify(toJson(ValueSchema, fallback));
    const missing = new ColumnFault(`the path ${source} is missing`);
    return {
      type: Field_Type.JSON,
      isSure: true,
      read: (view) => view.valueAt(slot) ?? defaultText ?? missing,
    };
  },
};
