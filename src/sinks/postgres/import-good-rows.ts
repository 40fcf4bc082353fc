/** An import in which Postgres refuses some rows: the others are stored, and the target keeps which those are. */
import type { RejectedPlace } from "../sink.ts";
import { DIVISION_BY_ZERO, Fenced, type Statement } from "./copy-query.ts";
import { DELIVERY } from "./cursor-statements.ts";
import type { KeptBadRow } from "./cursor-table.ts";
import { sqlStateOf } from "./fault.ts";
import { storeGoodRows } from "./good-rows.ts";
import type { StagedLines } from "./staged-lines.ts";
import type { SinkStatements } from "./statements.ts";
import type { Session } from "./target.ts";

/** What is imported, as far as it is good. */
export interface GoodImport {
  readonly sinkUid: string;
  readonly fence: Statement;
  readonly parts: readonly { readonly statements: SinkStatements; readonly lines: StagedLines }[];
}

/** Does it in one transaction; gives the rows that are left out. Fails with Fenced and TooManyBadRows. */
export async function importGoodRows(
  session: Session,
  { sinkUid, fence, parts }: GoodImport,
): Promise<readonly RejectedPlace[]> {
  const { run } = session;
  await run("BEGIN");
  try {
    await run(fence.text, fence.values).catch((error: unknown) => {
      throw sqlStateOf(error) === DIVISION_BY_ZERO ? new Fenced() : error;
    });
    const kept: KeptBadRow[] = [];
    for (const { statements, lines } of parts) {
      const candidates = Array.from({ length: lines.count }, (_, index) => index);
      const job = { statements, feedOf: lines.feedOf, candidates };
      for (const { index, reason, why } of await storeGoodRows(session, job)) {
        const { sequence, index: inMessage } = lines.placeAt(index);
        const text = why.replaceAll("\u0000", "\ufffd");
        kept.push({ index, reason, why: text, place: [sequence, inMessage] });
      }
    }
    await run(DELIVERY.keepBadRows, [sinkUid, "-1", JSON.stringify(kept)]);
    await run("COMMIT");
    return kept.map(({ reason, why, place: [sequence, index] }) => ({
      place: { sequence, index },
      reason,
      why,
    }));
  } catch (error) {
    await run("ROLLBACK").catch(() => undefined);
    throw error;
  }
}
