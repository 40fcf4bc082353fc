/** A column that a template makes. */
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import type { ColumnType } from "./column.ts";

/** K06: Jsonnet, evaluated away from the event loop. */
export const templateColumn: ColumnType<"template"> = {
  compile({ language, content }) {
    if (language !== "jsonnet") {
      const description = `${language === "" ? "name the language" : `${language} is not a language of templates`}: jsonnet`;
      return { field: "template.language", description };
    }
    return { type: Field_Type.JSON, isSure: true, template: content };
  },
};
