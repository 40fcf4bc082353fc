/** Commands about held records that other nodes have left in the store for the owner of a sink. */

import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type HeldCommand, HeldCommandSchema } from "#gen/tributary/delivery/v1/cursor_pb.js";
import { type KeyedEntry, StaleKeysError } from "../bus/index.ts";
import type { SinkDefinition } from "../core/definitions.ts";
import { reasonOf } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { actionOf, type HeldRecordsInput, runHeldCommand } from "./held-records.ts";
import { placeFromMessage } from "./lane-state.ts";
import { refusalsFromMessage } from "./replay-refusals-message.ts";
import type { SinkWorker } from "./sink-worker.ts";

/** Commands that are carried out at once, so that a slow one delays no other sink's (D4). */
const AT_ONCE = 64;

/** What answering needs. */
export interface HeldCommandsInput extends HeldRecordsInput {
  readonly sinkByUid: (uid: string) => SinkDefinition | undefined;
  readonly logger: Logger;
}

/** Carries out commands for sinks of this node. */
export interface HeldCommands {
  /** Begins what is there and not yet begun; call it now and then. Fails with LOG_UNAVAILABLE. */
  poll(): Promise<void>;
}

/** Makes the face of other nodes' commands. */
export function createHeldCommands(input: HeldCommandsInput): HeldCommands {
  const running = new Set<string>();
  const begin = (entry: KeyedEntry) => {
    const command = fromBinary(HeldCommandSchema, entry.value);
    if (Number(command.deadlineMs) < input.now()) return input.commands.delete(entry.key);
    const sink = input.sinkByUid(entry.key.split(".")[1] ?? "");
    const worker = sink && input.workerOf(sink);
    if (!worker || command.isDone) return undefined;
    return answer(input, worker, { entry, command });
  };
  return {
    async poll() {
      for (const entry of await input.commands.list("command")) {
        if (running.has(entry.key) || running.size >= AT_ONCE) continue;
        running.add(entry.key);
        Promise.resolve(begin(entry))
          .catch((error: unknown) => {
            // The node that asked has gone, or the store is away: it asks again.
            if (error instanceof StaleKeysError) return;
            input.logger.warn("a command was not answered", { error: String(error) });
          })
          .finally(() => running.delete(entry.key));
      }
    },
  };
}

async function answer(
  input: HeldCommandsInput,
  worker: SinkWorker,
  { entry, command }: { entry: KeyedEntry; command: HeldCommand },
): Promise<void> {
  const places = command.places.map(placeFromMessage);
  try {
    const action = actionOf(command);
    const refused = command.refusals && refusalsFromMessage(command.refusals);
    command.count = BigInt(await runHeldCommand(input, worker, { action, places, refused }));
  } catch (error) {
    // Nobody has refused it: this owner or the next one tries again, until the asker gives up.
    if (reasonOf(error) === "LOG_UNAVAILABLE") return;
    command.error = error instanceof Error ? error.message : String(error);
  }
  command.isDone = true;
  const value = toBinary(HeldCommandSchema, command);
  await input.commands.writeMany([{ key: entry.key, value, expectedSequence: entry.sequence }]);
}
