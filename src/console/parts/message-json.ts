/** What was typed into a form, as the JSON form of Protobuf. */
import type { DescMessage, JsonObject, JsonValue } from "@bufbuild/protobuf";

/** Takes lists without their empty lines, and lines `name: value` as maps. */
export function typedJson(desc: DescMessage, value: JsonObject): JsonObject {
  const result: JsonObject = {};
  for (const field of desc.fields) {
    const given = value[field.jsonName];
    if (given === undefined) continue;
    if (field.fieldKind === "message" && isObject(given)) {
      result[field.jsonName] = typedJson(field.message, given);
    } else if (field.fieldKind === "list" && Array.isArray(given)) {
      result[field.jsonName] = given.filter(
        (each) => typeof each !== "string" || each.trim() !== "",
      );
    } else if (field.fieldKind === "map" && typeof given === "string") {
      result[field.jsonName] = readMap(given);
    } else {
      result[field.jsonName] = given;
    }
  }
  return result;
}

function readMap(text: string): JsonObject {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      if (colon < 1) throw new Error(`“${line}” is not of the form name: value`);
      return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
    }),
  );
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
