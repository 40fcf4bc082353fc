/** Request headers in the forms that columns and templates ask for. */
import type { CallFacts } from "./record-view.ts";

type Headers = CallFacts["headers"];

/** `content-type` as `Content-Type`: the first letter and each after a dash in upper case. */
export function canonicalName(name: string): string {
  return name.toLowerCase().replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
}

/** Canonical names with the first value of each. */
export function headerObject(headers: Headers): Record<string, string> {
  const object = new Map<string, string>();
  for (const { name, value } of headers) {
    const canonical = canonicalName(name);
    if (!object.has(canonical)) object.set(canonical, value);
  }
  return Object.fromEntries(object);
}

/** The first value of a header, in any case of its name; undefined when there is none. */
export function headerValue(headers: Headers, name: string): string | undefined {
  const wanted = name.toLowerCase();
  return headers.find((header) => header.name.toLowerCase() === wanted)?.value;
}

/** One `Name: value` line each, sorted, with a final newline. */
export function headerText(headers: Headers): string {
  const lines = headers.map(({ name, value }) => `${canonicalName(name)}: ${value}\n`);
  return lines.sort().join("");
}
