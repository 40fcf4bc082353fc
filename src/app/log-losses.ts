/** Losses of stored records: where they are noticed, and where they are kept. */
import type { RetentionOptions } from "../bus/index.ts";
import type { CutOff } from "../usage/lost-end.ts";
import { type LogLosses, startLogLosses } from "../watch/log-losses.ts";
import type { Closers } from "./closers.ts";
import type { Foundations } from "./foundations.ts";

type OnMissing = NonNullable<RetentionOptions["onMissing"]>;

/** What notices, and what asks. */
export interface LogLossPorts extends Pick<LogLosses, "of"> {
  /** A shard ends below what was counted of it. */
  cutOff(cut: CutOff): Promise<void>;
  /** A walk over a shard found less than its index says. */
  missingIn(shard: number): OnMissing;
}

/** Opens them. */
export function openLogLosses(foundations: Foundations, closers: Closers): LogLossPorts {
  const { database, snapshot: definitions, logger } = foundations;
  const losses = startLogLosses({ database, definitions, logger });
  closers.add("losses of logs", async () => losses.close());
  return {
    of: losses.of,
    async cutOff({ shard, identity, lastSequence, counted }) {
      logger.error("a shard has lost its end", { shard, lastSequence, counted });
      await losses.keep({
        shard,
        witness: `mark ${counted} of ${identity}, end ${lastSequence}`,
        ...{ firstSequence: lastSequence + 1, lastSequence: counted },
        batchesByLog: new Map(),
        how: `the log ends at sequence ${lastSequence}, and was counted up to ${counted}`,
      });
    },
    missingIn: (shard) => (report) => {
      const { witness, lastSequence, lostBytes, batchesByLog } = report;
      const unread = lostBytes > 0 ? `, and could not read ${lostBytes} bytes of its files` : "";
      losses.remember({
        ...{ shard, witness, firstSequence: 0, lastSequence, batchesByLog },
        how: `nats-server has fewer than its index says up to sequence ${lastSequence}${unread}`,
      });
    },
  };
}
