/** The bounds of a source, checked before anything recursive looks at it. */
import { limitFault } from "./errors.ts";
import type { Limits } from "./limits.ts";
import type { Token } from "./token.ts";

/** Refuses sources that are too long. */
export function checkLength(source: string, limits: Limits): void {
  if (source.length > limits.sourceBytes || utf8Length(source) > limits.sourceBytes) {
    throw limitFault("source", `The template is longer than ${limits.sourceBytes} bytes.`);
  }
}

/** Refuses brackets that are nested too deeply. */
export function checkNesting(tokens: readonly Token[], limits: Limits): void {
  let depth = 0;
  for (const { kind, text, at } of tokens) {
    if (kind !== "symbol") continue;
    if ("{[(".includes(text)) depth++;
    else if ("}])".includes(text)) depth--;
    if (depth > limits.nesting) {
      throw limitFault("nesting", `Brackets are nested more than ${limits.nesting} deep.`, at);
    }
  }
}

function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) length++;
    if (unit >= 0x800 && !(unit >= 0xd800 && unit <= 0xdfff)) length++;
  }
  return length;
}
