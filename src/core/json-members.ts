/**
 * Reads the members of a JSON object without changing them: each value stays the text it was written
 * as, so 9007199254740993 and 1e400 pass through. The text must be valid JSON (ingest checked it);
 * nothing is checked again here.
 */
import { endOfString, endOfValue, skipSpace } from "./json-skip.ts";

/** Receives a member: its unescaped name and the JSON text of its value. */
export type MemberVisitor = (name: string, value: string) => void;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;

/** Calls `visit` for each member of the object in `text`, in order; does nothing for other values. */
export function forEachMember(text: string, visit: MemberVisitor): void {
  let i = skipSpace(text, 0);
  if (text.charCodeAt(i) !== OPEN_BRACE) return;
  i = skipSpace(text, i + 1);
  while (text.charCodeAt(i) === QUOTE) {
    const nameEnd = endOfString(text, i);
    const raw = text.slice(i + 1, nameEnd - 1);
    const name = raw.includes("\\") ? (JSON.parse(`"${raw}"`) as string) : raw;
    i = skipSpace(text, nameEnd);
    if (text.charCodeAt(i) !== COLON) return;
    i = skipSpace(text, i + 1);
    const end = endOfValue(text, i);
    visit(name, text.slice(i, end));
    i = skipSpace(text, end);
    if (text.charCodeAt(i) !== COMMA) return;
    i = skipSpace(text, i + 1);
  }
}
