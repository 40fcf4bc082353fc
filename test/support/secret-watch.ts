/**
 * Watches over every test that calls a real server (check 10): secrets that went over the API are noted,
 * and the end of the server looks for them in its log and in the files of its data.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";

const SECRET_FIELD =
  /^(secret|clientSecret|(previousS|s)igningSecret|token|access_token|(newP|p)assword|secretAccessKey)$/;
/** Shorter ones are words that may be anywhere. */
const LEAST_LENGTH = 20;

/** Of this test file, since each has its modules for itself. */
const noted = new Set<string>();

/** Notes the secrets in a request or an answer in JSON form, at any depth. */
export function noteSecrets(body: unknown): void {
  if (body === null || typeof body !== "object") return;
  for (const [name, value] of Object.entries(body)) {
    if (typeof value === "object") noteSecrets(value);
    else if (typeof value === "string" && SECRET_FIELD.test(name)) noteSecret(value);
  }
}

/** Notes one. */
export function noteSecret(secret: string): void {
  if (secret.length >= LEAST_LENGTH && !/[\s*]/.test(secret)) noted.add(secret);
}

/** Fails when one of the noted secrets is in a server's log or in a file of its data. */
export async function refuseSpilledSecrets(log: string, dataDir: string): Promise<void> {
  const found = [...noted]
    .filter((secret) => log.includes(secret))
    .map((secret) => `${abridge(secret)} in the log`);
  if (existsSync(dataDir)) found.push(...(await findInFiles(dataDir)));
  if (found.length > 0)
    throw new Error(`check 10: secrets were kept in clear: ${found.join("; ")}`);
}

async function findInFiles(dataDir: string): Promise<string[]> {
  if (noted.size === 0) return [];
  const forms = [...noted].flatMap((secret) => [secret, Buffer.from(secret).toString("hex")]);
  // demo.env is where the demo application's secret is meant to be, for its owner alone.
  const words = ["-raoF", "--exclude=demo.env", "-f", "-", "--", dataDir];
  const running = promisify(execFile)("grep", words, { timeout: 60_000, maxBuffer: 64 << 20 });
  running.child.stdin?.end(forms.join("\n"));
  const { stdout } = await running.catch((error: { code?: number; stdout?: string }) => {
    if (error.code !== 1 && !error.stdout) throw error;
    return { stdout: error.stdout ?? "" };
  });
  const hits = stdout.split("\n").filter(Boolean);
  return [...new Set(hits.map((hit) => abridgeHit(hit)))].slice(0, 5);
}

function abridgeHit(hit: string): string {
  const colon = hit.lastIndexOf(":");
  return `${abridge(hit.slice(colon + 1))} in ${hit.slice(0, colon)}`;
}

/** Enough to find it by, and not all of it. */
function abridge(secret: string): string {
  return `${secret.slice(0, 8)}…`;
}
