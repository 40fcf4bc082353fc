/** Writes the table of who may call what into the README; a test keeps the two equal. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DescService } from "@bufbuild/protobuf";
import {
  type AccessRule,
  AccessRule_Operation as Operation,
  AccessRule_Role as Role,
} from "#gen/tributary/access/v1/access_pb.js";
import { OWN_SERVICES } from "../src/app/services.ts";
import { accessRules } from "../src/auth/access-rules.ts";

/** Columns: whom a rule asks for. */
const CALLERS: readonly (readonly [title: string, fits: (rule: AccessRule) => boolean])[] = [
  ["anybody", ({ operation }) => operation === Operation.PUBLIC],
  [
    "any caller",
    ({ operation, role }) => operation !== Operation.PUBLIC && role === Role.ROLE_UNSPECIFIED,
  ],
  ["VIEWER", ({ role }) => role === Role.VIEWER],
  ["EDITOR", ({ role }) => role === Role.EDITOR],
  ["OWNER", ({ role }) => role === Role.OWNER],
  ["OPERATOR", ({ role }) => role === Role.OPERATOR],
];
const OPERATIONS = [Operation.PUBLIC, Operation.READ, Operation.WRITE, Operation.MANAGE];

/** What the rule of an rpc cannot say, as it depends on what a request holds. */
const NOTES: Readonly<Record<string, string>> = {
  PushStream: " (each request as Push)",
  CreateToken: " (a service token: OWNER)",
};

/** The table in Markdown: a row for each service, a column for the least role. */
export function formatAccess(services: readonly DescService[] = OWN_SERVICES): string {
  const sorted = [...services].sort((a, b) => a.name.localeCompare(b.name));
  const rows = sorted.map((service) => {
    const rules = [...accessRules([service])];
    const cells = CALLERS.map(([, fits]) =>
      OPERATIONS.map((operation) => {
        const methods = rules.filter(([, rule]) => rule.operation === operation && fits(rule));
        const names = methods
          .map(
            ([{ name }, { people }]) =>
              `${name}${people ? " (or any person)" : (NOTES[name] ?? "")}`,
          )
          .join(", ");
        if (names === "" || operation === Operation.PUBLIC) return names;
        return `*${Operation[operation].toLowerCase()}:* ${names}`;
      })
        .filter((text) => text !== "")
        .join("<br>"),
    );
    return `| ${[service.name.replace(/Service$/, ""), ...cells].join(" | ")} |`;
  });
  return [
    `| service | ${CALLERS.map(([title]) => title).join(" | ")} |`,
    `|${"---|".repeat(CALLERS.length + 1)}`,
    ...rows,
  ].join("\n");
}

/** The README with the table of today. */
export function withAccess(readme: string): string {
  const [begin, end] = ["<!-- access -->", "<!-- /access -->"];
  const from = readme.indexOf(begin) + begin.length;
  return `${readme.slice(0, from)}\n${formatAccess()}\n${readme.slice(readme.indexOf(end))}`;
}

if (import.meta.main) {
  const file = join(import.meta.dirname, "../README.md");
  writeFileSync(file, withAccess(readFileSync(file, "utf8")));
}
