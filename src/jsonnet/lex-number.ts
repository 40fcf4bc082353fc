/** Number literals: JSON's, with `_` between digits. */
import { syntaxFault } from "./errors.ts";

const NUMBER = /(?:0|[1-9](?:_?[0-9])*)(?:\.[0-9](?:_?[0-9])*)?(?:[eE][+-]?[0-9](?:_?[0-9])*)?/y;
// Right behind a number, these can only be meant to go on with it.
const LEFTOVER = /_|\.(?![0-9])|[eE][+-]?(?![0-9])/y;

/** The digits without underscores, and where the literal ends. */
export function lexNumber(source: string, at: number): [text: string, end: number] {
  NUMBER.lastIndex = at;
  const [literal = ""] = NUMBER.exec(source) ?? [];
  const end = at + literal.length;
  LEFTOVER.lastIndex = end;
  if (LEFTOVER.test(source)) {
    throw syntaxFault(end, `Could not read the number: unexpected "${source[end]}".`);
  }
  return [literal.replaceAll("_", ""), end];
}
