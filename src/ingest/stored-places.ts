/** Where the records of a call stand once they are stored, and their ids. */
import type { LogDefinition } from "../core/definitions.ts";
import type { LogAppended, LogReader } from "../core/log.ts";
import { decodeRecordBatch } from "../core/record-batch.ts";
import type { CallFacts, EncodedBlock } from "../core/record-block.ts";
import { recordId } from "../core/record-id.ts";

/** When the stored call arrived; for a duplicate the original says, when it can still be read. */
export async function arrivalOf(
  appended: LogAppended,
  facts: CallFacts,
  from: { readonly log: LogDefinition; readonly reader: LogReader | undefined },
): Promise<number | undefined> {
  if (!appended.isDuplicate) return facts.arrivalTimeUs;
  const place = appended.places[0];
  if (!place || !from.reader) return undefined;
  const [message] = await from.reader.read(from.log, {
    fromSequence: place.sequence,
    maxMessages: 1,
    maxBytes: 1,
  });
  if (message?.sequence !== place.sequence) return undefined;
  const { calls } = decodeRecordBatch(message.data);
  return calls.findLast((stored) => stored.firstIndex <= place.index)?.arrivalTimeUs;
}

/** Place of the call's first record, `<sequence>-<index>`. */
export function firstPlaceOf(
  parts: readonly { readonly encoded: EncodedBlock }[],
  appended: LogAppended,
): string {
  let at = 0;
  while (at < parts.length && parts[at]!.encoded.rows[0] !== 0) at++;
  const place = appended.places[at];
  return place ? `${place.sequence}-${place.index}` : "";
}

/** Ids of all records, in the order of the call. */
export function idsOf(
  blocks: readonly EncodedBlock[],
  appended: LogAppended,
  stored: { readonly log: LogDefinition; readonly arrivalUs: number },
): string[] {
  const ids: string[] = [];
  const arrivalMs = Math.floor(stored.arrivalUs / 1000);
  blocks.forEach(({ rows }, part) => {
    const { sequence, index } = appended.places[part]!;
    rows.forEach((row, i) => {
      ids[row] = recordId(stored.log.uid, { sequence, index: index + i }, arrivalMs);
    });
  });
  return ids;
}
