/** A place in a YAML document, and what can be said of it without knowing the structure. */
import { type Fault, runtimeFault } from "../errors.ts";

/** Reads a document from left to right. */
export interface YamlCursor {
  readonly text: string;
  at: number;
  /** Values by the names of their anchors. */
  readonly anchors: Map<string, unknown>;
}

/** The beginning of a document. */
export function openCursor(text: string): YamlCursor {
  return { text, at: 0, anchors: new Map() };
}

/** Moves over blanks, line ends and comments to the next thing that means something. */
export function skipBlanks(cursor: YamlCursor): void {
  const { text } = cursor;
  while (cursor.at < text.length) {
    const char = text[cursor.at] as string;
    if (char === "#" && isCommentStart(text, cursor.at)) skipLine(cursor);
    else if (!" \t\n".includes(char)) return;
    else cursor.at++;
  }
}

/** Moves over blanks of this line, and a comment; says whether the line ends here. */
export function skipSpaces(cursor: YamlCursor): boolean {
  const { text } = cursor;
  while (" \t".includes(text[cursor.at] ?? "\n")) cursor.at++;
  if (text[cursor.at] === "#" && isCommentStart(text, cursor.at)) skipLine(cursor);
  return cursor.at >= text.length || text[cursor.at] === "\n";
}

function skipLine(cursor: YamlCursor): void {
  const end = cursor.text.indexOf("\n", cursor.at);
  cursor.at = end < 0 ? cursor.text.length : end;
}

function isCommentStart(text: string, at: number): boolean {
  return at === 0 || " \t\n".includes(text[at - 1] as string);
}

/** How far from the beginning of its line the cursor is. */
export function columnOf({ text, at }: YamlCursor): number {
  return at - (at === 0 ? 0 : text.lastIndexOf("\n", at - 1) + 1);
}

/** Whether an indicator such as `-` or `:` stands here with a blank or nothing behind it. */
export function isIndicator({ text }: YamlCursor, at: number, indicator: string): boolean {
  return text[at] === indicator && " \t\n".includes(text[at + 1] ?? "\n");
}

/** The fault of a text that is no YAML, with the line. */
export function yamlFault({ text, at }: YamlCursor, reason: string): Fault {
  const line = text.slice(0, at).split("\n").length;
  return runtimeFault(`std.parseYaml: line ${line} of the document: ${reason}`);
}
