/**
 * The test suites of the two implementations of the language's authors. They are not part of this
 * repository: JSONNET_SUITES names folders, separated by colons, such as `testdata` of
 * github.com/google/go-jsonnet v0.22.0 and `test_suite` of github.com/google/jsonnet.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compileTemplate, JsonnetError } from "../../src/jsonnet/index.ts";

const FOLDERS = (process.env.JSONNET_SUITES ?? "").split(":").filter(Boolean);

/** What templates cannot do here, or what the suites run with other flags or other hosts. */
const OUT_OF_SCOPE = /\bimport(?:str|bin)?\b|std\.extVar|std\.native|std\.thisFile/;
const OTHER_FLAGS: ReadonlySet<string> = new Set([
  "multi.jsonnet",
  "multi_no_newline.jsonnet",
  "multi_no_newline_string_output.jsonnet",
  "multi_string_output.jsonnet",
  "object_no_newline.jsonnet",
  "tla.simple.jsonnet",
  // Printed traces stand in the expected output.
  "trace.jsonnet",
  // The last digits of JavaScript's power differ.
  "pow6.jsonnet",
]);

/** Far more than a template gets: the suites measure the language, not the budgets. */
const limits = { steps: 5e7, allocation: 1e9, output: 1e8 };

function expectedOf(folder: string, file: string): string {
  const names = [file.replace(/\.jsonnet$/, ".golden"), `${file}.golden`];
  const golden = names.map((name) => join(folder, name)).find((path) => existsSync(path));
  return golden && statSync(golden).isFile() ? readFileSync(golden, "utf8") : "true\n";
}

function run(source: string): string | undefined {
  try {
    return `${compileTemplate(source, { limits }).evaluateText(undefined)}\n`;
  } catch (error) {
    if (error instanceof JsonnetError) return undefined;
    throw error;
  }
}

describe.skipIf(FOLDERS.length === 0)("N10: the official test suites", () => {
  it.each(FOLDERS)("pass: %s", (folder) => {
    const files = readdirSync(folder).filter((name) => name.endsWith(".jsonnet"));
    const failed: string[] = [];
    let count = 0;
    for (const file of files) {
      const source = readFileSync(join(folder, file), "utf8");
      const code = source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(?:#|\/\/).*/g, "");
      if (OUT_OF_SCOPE.test(code) || OTHER_FLAGS.has(file)) continue;
      count++;
      const expected = expectedOf(folder, file);
      const actual = run(source);
      // An expected failure is a message with a place in the file, never JSON.
      const fails = /^(?:RUNTIME|STATIC) ERROR|^testdata\/|^\S+\.jsonnet:\d+/.test(expected);
      if (fails ? actual !== undefined : actual !== expected) failed.push(file);
    }
    expect(failed).toEqual([]);
    expect(count).toBeGreaterThan(100);
  });
});
