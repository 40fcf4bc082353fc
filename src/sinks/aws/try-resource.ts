/** The test of a destination at AWS: what it says of itself, then the right to write. */
import type { TestStageResult } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import { runStages, type StageText } from "../stages.ts";

/** A resource to try, such as a bucket, and how. */
interface Trial<C> {
  /** As in "whether the bucket is there is not known". */
  readonly noun: string;
  /** The least policy that a sink needs. */
  readonly policy: string;
  /** Opens a client; sends nothing. */
  readonly open: () => Promise<C>;
  /** What it says of itself, in words. Throws SinkFault. */
  readonly describe: (client: C) => Promise<StageText>;
  /** Tries the right to write; gives what was done. Throws SinkFault. */
  readonly write: (client: C) => Promise<string>;
}

/** Runs the stages and closes the client. Without the right to describe, that stage passes with a warning. */
export async function tryResource<C extends { close(): void }>(
  trial: Trial<C>,
): Promise<readonly TestStageResult[]> {
  let client: C | undefined;
  try {
    return await runStages({
      authenticate: async () => {
        client = await trial.open();
        return "keys and region are given";
      },
      describe: () => describe(trial, client!),
      write: () => trial.write(client!),
    });
  } finally {
    client?.close();
  }
}

async function describe<C>({ noun, policy, describe: ask }: Trial<C>, client: C) {
  try {
    return await ask(client);
  } catch (error) {
    if (!(error instanceof SinkFault) || error.reason !== "ACCESS_DENIED") throw error;
    const message = `warning: ${error.message}; whether the ${noun} is there is not known`;
    return { message, remedy: policy };
  }
}
