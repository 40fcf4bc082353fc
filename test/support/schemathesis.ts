/** Schemathesis, which makes calls from an OpenAPI document, good and bad ones, and judges the answers. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

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
  const folder = await install();
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
  const options = { env: { ...process.env, PYTHONPATH: folder }, maxBuffer: 64 << 20 };
  try {
    const { stdout } = await run("python3", words, { ...options, timeout: 400_000 });
    return { isGreen: true, report: stdout };
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    return { isGreen: false, report: `${stdout}\n${stderr}` };
  }
}

async function install(): Promise<string> {
  const cache = join(homedir(), ".cache", "tributary", "test");
  const folder = join(cache, `schemathesis-${VERSION}`);
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
  const fresh = `${folder}.${process.pid}`;
  const wanted = `schemathesis==${VERSION}`;
  await run("python3", ["-m", "pip", "install", "-q", "--target", fresh, wanted], {
    timeout: 240_000,
  });
  await rename(fresh, folder);
  return folder;
}
