/**
 * Another implementation of Jsonnet: go-jsonnet as the Python package gojsonnet. JSONNET_ORACLE names
 * a Python that has it; without the variable `python3` is tried.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const PYTHON = process.env.JSONNET_ORACLE ?? "python3";

/** Whether the other implementation can be run here. */
export function hasOracle(): boolean {
  return spawnSync(PYTHON, ["-c", "import _gojsonnet"]).status === 0;
}

/** What it makes of programs: text, or null for those that fail. */
export function askOracle(programs: readonly string[]): (string | null)[] {
  const { status, stdout, stderr } = spawnSync(PYTHON, [join(import.meta.dirname, "oracle.py")], {
    input: JSON.stringify(programs),
    maxBuffer: 2 ** 30,
    timeout: 600_000,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`the oracle failed: ${stderr}`);
  return JSON.parse(stdout) as (string | null)[];
}
