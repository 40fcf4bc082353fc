/** Schemathesis, which makes calls from an OpenAPI document, good and bad ones, and judges the answers. */

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { installPythonPackage } from "./python-package.ts";

const VERSION = "4.32.5";
const run = promisify(execFile);

/** What it found. */
export interface Judgement {
  readonly isGreen: boolean;
  /** What it printed: summary, failures, and how to repeat them. */
  readonly report: string;
}

/** Runs it against a server, with a fixed seed. */
export async function judgeByOpenApi(
  url: string,
  { token, examples }: { readonly token: string; readonly examples: number },
): Promise<Judgement> {
  const folder = await installPythonPackage(`schemathesis-${VERSION}`, `schemathesis==${VERSION}`);
  const checks = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
  ];
  const words = [
    ...["-m", "schemathesis.cli", "run", `${url}/openapi.json`, "--no-color", "--no-shrink"],
    ...["--header", `Authorization: Bearer ${token}`, "--seed", "1", "--continue-on-failure"],
    ...["--phases", "coverage,fuzzing", "--max-examples", String(examples)],
    ...["--checks", checks.join(","), "--request-timeout", "20"],
  ];
  // It keeps a database of what failed in its working directory.
  const cwd = await mkdtemp(join(tmpdir(), "tributary-schemathesis-"));
  const options = { cwd, env: { ...process.env, PYTHONPATH: folder }, maxBuffer: 64 << 20 };
  try {
    const { stdout } = await run("python3", words, { ...options, timeout: 400_000 });
    return { isGreen: true, report: stdout };
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    return { isGreen: false, report: `${stdout}\n${stderr}` };
  } finally {
    await rm(cwd, { recursive: true });
  }
}
