/** Shell blocks of a Markdown text, run as a reader would paste them. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Stands between the outputs of two commands. */
const BORDER = "----- next command -----";

/** Text of the `sh` blocks below the heading with these words, up to the next heading of its level. */
export function shellBlocks(markdown: string, heading: string): string[] {
  const start = new RegExp(`^(#+) ${heading}$`, "m").exec(markdown);
  if (!start) throw new Error(`no heading: ${heading}`);
  const rest = markdown.slice(start.index + start[0].length);
  const end = rest.search(new RegExp(`^#{1,${start[1]?.length}} `, "m"));
  const section = end < 0 ? rest : rest.slice(0, end);
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((block) => block[1] ?? "");
}

/**
 * Runs blocks one after the other in one shell, in a folder; gives what each command of the last
 * block printed. Commands of a block are parted by empty lines.
 */
export async function runBlocks(blocks: readonly string[], folder: string): Promise<string[]> {
  const commands = blocks.map((block) => block.trim().split(/\n\n+/));
  const script = commands.flat().join(`\necho; echo '${BORDER}'\n`);
  const { stdout } = await run("bash", ["-e", "-o", "pipefail", "-c", script], {
    cwd: folder,
    timeout: 20_000,
  });
  const outputs = stdout.split(`${BORDER}\n`).map((text) => text.trim());
  return outputs.slice(-(commands.at(-1)?.length ?? 0));
}
