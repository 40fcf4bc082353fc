import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { formatAccess, withAccess } from "../../scripts/readme-access.ts";
import { OWN_SERVICES } from "../../src/app/services.ts";

const readme = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8");

test("check 6: the README's table of who may do what is that of the code", () => {
  expect(readme).toContain("<!-- access -->");
  expect(withAccess(readme)).toBe(readme);
});

test("check 6: the table names every rpc of every service once", () => {
  const methods = OWN_SERVICES.flatMap((service) => service.methods).map(({ name }) => name);
  const cells = formatAccess()
    .split("\n")
    .slice(2)
    .flatMap((row) => row.split(" | ").slice(1));
  const bare = cells.map((cell) => cell.replaceAll(/ \([^)]*\)/g, ""));
  const named = bare.flatMap((cell) => cell.match(/[A-Z][A-Za-z0-9]+/g) ?? []);
  expect(named.sort()).toEqual(methods.sort());
});
