import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

/** The checks that must hold before an installation may face the internet, by number. */
const CHECKS = {
  1: "tenants come from the credential alone",
  2: "every rpc with another tenant's names answers as for missing ones",
  3: "every table with a project's rows has row-level security",
  4: "service users on NATS have only their subjects",
  5: "quotas per project, and nobody else notices",
  6: "every rpc declares its access rule",
  7: "callers are known before their body is read",
  8: "credentials are only ever narrowed",
  9: "tokens are random, recognisable and hashed",
  10: "secrets are shown once and never again",
  11: "comparisons take constant time",
  12: "secrets of sinks and sources are encrypted for their row",
  13: "rotation overlaps",
  14: "the token endpoint refuses as RFC 6749 says",
  15: "Basic credentials are form-decoded",
  16: "token answers are not cached",
  17: "access tokens are RFC 9068",
  18: "challenges are RFC 6750",
  19: "introspection is RFC 7662",
  20: "revocation is RFC 7009",
  21: "metadata is RFC 8414",
  22: "client assertions are RFC 7523",
  23: "bound tokens are RFC 9449",
  24: "guessing is slowed down and locks nobody out",
  26: "requests outward follow no redirect, use no proxy and have a bound",
  27: "everything outward passes the egress guard",
  30: "addresses come from the socket or a trusted proxy",
  34: "the audit log is chained and append-only",
  35: "cookies, CSRF and Content-Security-Policy",
  36: "no CORS, GET for reads alone",
  37: "limits are set in code",
  38: "error bodies tell nothing of the inside",
  39: "the supply chain is locked and listed",
  40: "NATS and Postgres refuse anonymous callers",
} as const;

/** Every text in the test files that could be a title and names checks. */
function checkedNumbers(): Set<number> {
  const root = join(import.meta.dirname, "..");
  const files = readdirSync(root, { recursive: true, encoding: "utf8" });
  const numbers = new Set<number>();
  for (const file of files.filter((name) => name.endsWith(".test.ts"))) {
    const text = readFileSync(join(root, file), "utf8");
    for (const line of text.split("\n").filter((each) => each.length < 400)) {
      const [, list = ""] = /["`][^"`]*\bchecks? (\d+(?:(?:, | and )\d+)*)/.exec(line) ?? [];
      for (const number of list.match(/\d+/g) ?? []) numbers.add(Number(number));
    }
  }
  return numbers;
}

test("each check has a test that carries its number in its title", () => {
  const known = checkedNumbers();
  const missing = Object.entries(CHECKS).filter(([number]) => !known.has(Number(number)));
  expect(Object.fromEntries(missing)).toEqual({});
});
