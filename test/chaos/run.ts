/**
 * `npm run test:chaos [-- name ... [--long]]`: runs faults one after the other and prints, at the end,
 * a line of figures for each. Without a name all of them run; `--list` only names them. Ends with 1 when
 * one of them missed, or cannot run on this machine.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { FAULTS, type Need } from "./faults.ts";

const NEEDS: Record<Need, () => boolean> = {
  linux: () => process.platform === "linux",
  root: () => userInfo().uid === 0,
  strace: () => hasProgram("strace"),
  faketime: () => hasProgram("faketime"),
};

function hasProgram(name: string): boolean {
  return spawnSync(name, ["--version"], { stdio: "ignore" }).error === undefined;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { long: { type: "boolean" }, list: { type: "boolean" } },
});

if (values.list) {
  for (const [name, { shows }] of Object.entries(FAULTS)) console.log(`${name.padEnd(24)}${shows}`);
  process.exit(0);
}
const unknown = positionals.filter((name) => !FAULTS[name]);
if (unknown.length > 0) {
  console.error(
    `no such fault: ${unknown.join(", ")}; known are ${Object.keys(FAULTS).join(", ")}`,
  );
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "tributary-faults-"));
const verdicts: string[] = [];
const files = new Set<string>();
let missed = 0;
for (const name of positionals.length > 0 ? positionals : Object.keys(FAULTS)) {
  const fault = FAULTS[name]!;
  const lacking = (fault.needs ?? []).filter((need) => !NEEDS[need]());
  if (lacking.length > 0) {
    missed += 1;
    verdicts.push(`NOT RUN ${name}: this machine lacks ${lacking.join(", ")}`);
    continue;
  }
  // Two faults may be shown by one run.
  if (fault.files.every((file) => files.has(file))) continue;
  for (const file of fault.files) files.add(file);
  const startMs = performance.now();
  const isGood = await runFault(name);
  if (!isGood) missed += 1;
  const seconds = Math.round((performance.now() - startMs) / 1_000);
  verdicts.push(`${isGood ? "ok" : "MISSED"} ${name} (${seconds} s)`, ...figuresOf(name));
}
console.log(`\n${verdicts.join("\n")}`);
rmSync(folder, { recursive: true, force: true });
process.exit(missed > 0 ? 1 : 0);

async function runFault(name: string): Promise<boolean> {
  const vitest = join(import.meta.dirname, "../../node_modules/vitest/vitest.mjs");
  const child = spawn(process.execPath, [vitest, "run", ...FAULTS[name]!.files], {
    stdio: "inherit",
    env: {
      ...process.env,
      FAULT_FIGURES: join(folder, name),
      FAULT_SIZES: values.long ? "long" : "short",
    },
  });
  const [code] = (await once(child, "exit")) as [number | null];
  return code === 0;
}

function figuresOf(name: string): string[] {
  const file = join(folder, name);
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => `   ${line}`);
}
