/** Calls as commands that can be pasted into a terminal; the token stays in its variable. */
import { branchQuery, type LogPlace } from "./log-place.ts";

/** A text within single quotes of a shell. */
export function shell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

const TOKEN = `-H "Authorization: Bearer $ACCESS_TOKEN"`;

/** Pushes a record again, byte for byte. */
export function pushCurl(url: string, { stream, branch }: LogPlace, json: string): string {
  return `curl -f ${shell(`${url}/v1/${stream}/records${branchQuery(branch)}`)} \\
  ${TOKEN} \\
  -H 'Content-Type: application/json' \\
  -d ${shell(`[{"value": ${json}}]`)}
`;
}

/** Reads with a GET; parameters that are empty are left out. */
export function readCurl(
  address: string,
  parameters: readonly (readonly [string, string | number | bigint])[],
): string {
  const given = parameters.filter(([, value]) => value !== "" && value !== 0 && value !== 0n);
  const lines = given.map(([name, value]) => `--data-urlencode ${shell(`${name}=${value}`)}`);
  return [`curl -fN -G ${shell(address)}`, TOKEN, ...lines].join(" \\\n  ").concat("\n");
}
