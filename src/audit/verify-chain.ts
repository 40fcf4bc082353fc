/** Proves that nobody changed, removed or inserted an audit event behind the server's back. */
import { createHash } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { AuditEventSchema } from "#gen/tributary/management/v1/audit_event_pb.js";
import type { Database } from "../db/client.ts";
import { type AuditRow, readChain } from "./audit-store.ts";
import { type TrimmedHead, trimmedHeadOf } from "./trim.ts";

/** What was found of one chain. */
export interface ChainReport {
  /** Uid of the project; empty for the installation. */
  readonly chain: string;
  /** Events that hold together; what retention removed is not counted. */
  readonly events: number;
  /** Hash of the last of them, in hex: kept elsewhere, it proves that none was cut off later. */
  readonly head: string;
  /** What is wrong with the first event that does not hold; undefined when all do. */
  readonly fault: string | undefined;
}

const ROWS_AT_ONCE = 500;

/** Checks every chain from its beginning. */
export async function verifyChains(database: Database): Promise<ChainReport[]> {
  const chains = await database.acrossProjects((queries) =>
    queries.execute<{ chain: string }>(
      "SELECT DISTINCT chain FROM tributary.audit_events ORDER BY chain",
    ),
  );
  const reports: ChainReport[] = [];
  for (const { chain } of chains) reports.push(await verifyChain(database, chain));
  return reports;
}

async function verifyChain(database: Database, chain: string): Promise<ChainReport> {
  let events = 0;
  let last: { readonly number: number; readonly head: Uint8Array } | undefined;
  let begin: TrimmedHead | undefined;
  let trimmed: TrimmedHead | undefined;
  const report = (fault?: string): ChainReport => ({
    chain,
    events,
    head: Buffer.from(last?.head ?? []).toString("hex"),
    fault,
  });
  while (true) {
    const after = last?.number ?? 0;
    const rows = await database.acrossProjects((queries) =>
      readChain(queries, chain, { after, limit: ROWS_AT_ONCE }),
    );
    if (rows.length === 0) return report(beginFault(begin, trimmed));
    for (const row of rows) {
      const { number, previousHash } = row;
      begin ??= { through: number - 1, hash: Buffer.from(previousHash).toString("hex") };
      last ??= { number: number - 1, head: previousHash };
      const fault = faultOf(row, { number: last.number + 1, head: last.head });
      if (fault) return report(fault);
      events++;
      last = { number, head: row.hash };
      trimmed = trimmedHeadOf(fromBinary(AuditEventSchema, row.event)) ?? trimmed;
    }
  }
}

/** A chain begins with its first event, or where the newest trim in it says. */
function beginFault(
  begin: TrimmedHead | undefined,
  trimmed: TrimmedHead | undefined,
): string | undefined {
  if (!begin || begin.through === 0) return undefined;
  if (begin.through === trimmed?.through && begin.hash === trimmed.hash) return undefined;
  return `event ${trimmed && trimmed.through < begin.through ? trimmed.through + 1 : 1} is missing`;
}

function faultOf(
  row: AuditRow,
  expected: { readonly number: number; readonly head: Uint8Array },
): string | undefined {
  if (row.number !== expected.number) return `event ${expected.number} is missing`;
  const name = `event ${row.number} (${row.uid})`;
  if (!Buffer.from(row.previousHash).equals(expected.head)) {
    return `${name} does not follow the event before it`;
  }
  const hash = createHash("sha256")
    .update(row.previousHash)
    .update(`${row.chain}/${row.number}/`)
    .update(row.event)
    .digest();
  if (!hash.equals(row.hash)) return `${name} was changed`;
  return areColumnsTrue(row) ? undefined : `the columns of ${name} were changed`;
}

/** The columns repeat the event, to look for it by them. */
function areColumnsTrue(row: AuditRow): boolean {
  const event = fromBinary(AuditEventSchema, row.event);
  return (
    row.uid === event.uid &&
    row.actorId === (event.actor?.id ?? "") &&
    row.method === event.method &&
    row.resource === event.resource &&
    row.code === event.code &&
    row.chain === (row.projectUid ?? "") &&
    row.createTime.getTime() === (event.createTime ? timestampMs(event.createTime) : 0)
  );
}
