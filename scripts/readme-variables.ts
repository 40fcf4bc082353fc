/** Writes the table of variables into the README; a test keeps the two equal. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Variable } from "../src/config-readers.ts";
import { VARIABLES } from "../src/config-variables.ts";

/** The table in Markdown. */
export function formatVariables(): string {
  const rows = Object.entries<Variable<unknown>>(VARIABLES).map(
    ([name, v]) => `| \`${name}\`${v.isSecret ? " ¹" : ""} | ${v.shown} | ${v.doc} |`,
  );
  return ["| variable | default | what it is |", "|---|---|---|", ...rows].join("\n");
}

/** The README with the table of today. */
export function withVariables(readme: string): string {
  const [begin, end] = ["<!-- variables -->", "<!-- /variables -->"];
  const from = readme.indexOf(begin) + begin.length;
  return `${readme.slice(0, from)}\n${formatVariables()}\n${readme.slice(readme.indexOf(end))}`;
}

if (import.meta.main) {
  const file = join(import.meta.dirname, "../README.md");
  writeFileSync(file, withVariables(readFileSync(file, "utf8")));
}
