/** How a file of tests with a console ends, and what it says of a test that failed. */
import { afterAll, afterEach } from "vitest";
import type { ConsoleRig } from "./console-rig.ts";

interface Closed {
  close(): Promise<unknown>;
}

/**
 * Prints what the page shows after each test that failed, and at the end of the file closes the console
 * and what was opened beside it. Given as a function, since they are opened later.
 */
export function endConsole(
  opened: () => readonly [ConsoleRig | undefined, ...(Closed | undefined)[]],
): void {
  afterEach(async ({ task }) => {
    const [rig] = opened();
    if (task.result?.state === "fail") process.stderr.write(`the page: ${await rig?.shown()}\n`);
  });
  afterAll(async () => {
    for (const each of opened()) await each?.close();
  });
}
