import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withVariables } from "../../scripts/readme-variables.ts";

const readme = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8");

test("the README's table of variables is the table of the code", () => {
  expect(withVariables(readme)).toBe(readme);
});

test("every script that the README names exists", () => {
  const { scripts } = JSON.parse(
    readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"),
  ) as { scripts: Record<string, string> };
  const named = [...readme.matchAll(/(?:^|`|&& )npm (?:run )?([a-z:]+)/gm)].map((m) => m[1] ?? "");
  const own = named.filter((name) => name !== "ci");
  expect(own.length).toBeGreaterThan(5);
  for (const name of own) expect(scripts, name).toHaveProperty([name]);
});
