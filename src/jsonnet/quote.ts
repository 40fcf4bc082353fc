/** Strings in JSON's quotes. */
import { scan } from "./meter.ts";

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what has to be escaped
const SPECIAL = /["\\\u0000-\u001f\u007f-\u009f\ud800-\udfff]/;
const EXTRA = /[\u007f-\u009f]/g;

/** The text in double quotes, control characters (also U+007F to U+009F) escaped. */
export function quote(text: string): string {
  scan(text.length * 4);
  if (!SPECIAL.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(EXTRA, escapeCharacter);
}

function escapeCharacter(char: string): string {
  return `\\u00${char.charCodeAt(0).toString(16)}`;
}
