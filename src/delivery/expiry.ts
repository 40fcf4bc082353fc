/**
 * What retention takes although a stopped sink has not delivered it: counted exactly, and written into
 * the sink's cursor, before it goes. Nothing else books records as expired, but a restart of a sink
 * whose records are missing (`run-losses.ts`).
 */
import type { LogMessage } from "../core/log.ts";
import type { ExpiryTally } from "./lane-loss.ts";
import type { LaneRow } from "./lane-row.ts";
import { whileQuiet } from "./quiet-lanes.ts";
import type { SinkRun } from "./sink-run.ts";

const QUIET_TIMEOUT_MS = 5_000;
const READ_MESSAGES = 256;
const READ_BYTES = 2 * 1024 * 1024;

/** Books what is stored below `sequence` and not settled; resolves once the cursor says so. */
export async function expireBelow(
  run: SinkRun,
  sequence: number,
  rowsOf: (message: LogMessage) => readonly LaneRow[],
): Promise<void> {
  const isBusy = () => run.flusher.isFlushing || !run.flusher.isEmpty;
  const work = async () => {
    run.freeze();
    try {
      await run.owner.count();
      const tallies = await tally(run, sequence, rowsOf);
      run.signal.throwIfAborted();
      run.lanes.expireBelow(sequence, tallies);
      report(run, sequence, tallies);
      run.options.at?.("expiring");
      await run.owner.confirm();
      run.options.at?.("expired");
    } finally {
      run.thaw();
    }
  };
  // A paused sink sends nothing, but flushes what it has staged, for which its lanes must be free.
  const lanes = run.owner.definition.isPaused ? [] : [...run.lanes.all()];
  await whileQuiet(run, lanes, { timeoutMs: QUIET_TIMEOUT_MS, isBusy, work });
}

async function tally(
  { lanes, owner, options, signal }: SinkRun,
  sequence: number,
  rowsOf: (message: LogMessage) => readonly LaneRow[],
): Promise<Map<number, ExpiryTally>> {
  const tallies = new Map<number, ExpiryTally>();
  for (let fromSequence = lanes.settledBelow; fromSequence < sequence; ) {
    const messages = await options.reader.read(owner.definition.log, {
      fromSequence,
      maxMessages: READ_MESSAGES,
      maxBytes: READ_BYTES,
      signal,
    });
    if (messages.length === 0) break;
    for (const message of messages) {
      if (message.sequence < sequence) lanes.tally(message, rowsOf(message), tallies);
      fromSequence = message.sequence + 1;
    }
  }
  return tallies;
}

function report(
  { owner, logger }: SinkRun,
  sequence: number,
  tallies: ReadonlyMap<number, ExpiryTally>,
): void {
  let count = 0;
  for (const counts of tallies.values()) for (const n of counts.values()) count += n;
  if (count === 0) return;
  const { name } = owner.definition;
  logger.warn("records expire before a stopped sink has delivered them", {
    sink: name,
    count,
    sequence,
  });
}
