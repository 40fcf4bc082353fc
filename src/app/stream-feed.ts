/** The way of sinks into other streams: that of pushes, with the sink as the caller. */
import { failFields } from "../core/errors.ts";
import type { Ingest } from "../ingest/ingest.ts";
import type { RecordSet } from "../ingest/record-set.ts";
import type { SinkRow, StreamFeed } from "../sinks/sink.ts";

/** A feed that waits until pushes are open. */
export interface LateFeed extends StreamFeed {
  connect(ingest: Ingest): void;
}

/** Delivery starts before pushes are open: what it feeds until then waits for the attempt's time. */
export function createLateFeed(): LateFeed {
  const { promise, resolve } = Promise.withResolvers<Ingest>();
  return {
    connect: resolve,
    async check(stream, branch) {
      const { logs } = (await promise).streamOf(stream);
      if (logs.has(branch)) return;
      throw failFields([{ field: "branch", description: `${stream} has no branch ${branch}` }]);
    },
    async push({ stream, branch, sinkUid, idempotencyKey, rows }) {
      const ingest = await promise;
      await ingest.push({
        stream,
        branch,
        records: recordSetOf(rows),
        idempotencyKey,
        returnRecordIds: false,
        caller: {
          id: `sink:${sinkUid}`,
          authentication: "sink",
          address: "",
          traceContext: "",
          source: "sink",
        },
      });
    },
  };
}

/** Rows as the records of one call. Their ids lead back: the producer's own, or that of the record. */
function recordSetOf(rows: readonly SinkRow[]): RecordSet {
  const spans: number[] = [];
  let at = 0;
  for (const { json } of rows) {
    spans.push(at, at + json.length);
    at += json.length;
  }
  return {
    bytes: Buffer.concat(rows.map(({ json }) => json)),
    spans,
    ids: rows.map(({ producerId, recordId }) => producerId || recordId),
    hashes: [],
    checkedBy: undefined,
    isUtf8: true,
  };
}
