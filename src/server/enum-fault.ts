/** What may stand where a JSON body has an unknown name of an enum (E24): the library only says that it is wrong. */
import type { DescEnum, DescMessage } from "@bufbuild/protobuf";
import { shorten } from "./answer.ts";

const FAULT = /cannot decode enum ([\w.]+) from JSON: (.*)$/s;
const VALUE_MAX = 40;

/** The text about an unknown value, with the known ones; undefined when the text is about something else. */
export function explainEnum(text: string, input: DescMessage): string | undefined {
  const [, typeName, value = ""] = FAULT.exec(text) ?? [];
  const found = typeName && findEnum(input, typeName);
  if (!found) return undefined;
  // The first one says that nothing is set.
  const names = found.values.filter(({ number }) => number !== 0).map(({ name }) => name);
  return `${shorten(value, VALUE_MAX)} is not known as ${found.name}: use one of ${names.join(", ")}`;
}

/** The enum of that name in the fields of a message and those below it. */
function findEnum(input: DescMessage, typeName: string): DescEnum | undefined {
  const messages = new Set([input]);
  for (const message of messages) {
    for (const field of message.fields) {
      if (field.enum?.typeName === typeName) return field.enum;
      // Those of lists and maps too; a set that grows is walked to its end.
      if (field.message) messages.add(field.message);
    }
  }
  return undefined;
}
