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
  const table = formatAccess();
  for (const { name } of OWN_SERVICES.flatMap((service) => service.methods)) {
    const count = OWN_SERVICES.flatMap((s) => s.methods).filter((m) => m.name === name).length;
    expect([name, table.match(new RegExp(`\\b${name}\\b`, "g"))?.length]).toEqual([name, count]);
  }
});
