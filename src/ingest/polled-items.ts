/** The items of a polled answer, and which of them are new. */
import { createHash } from "node:crypto";
import { fail } from "../core/errors.ts";
import { failJson, JsonFault, requireUtf8 } from "../core/json-fault.ts";
import { type JsonPath, parsedPath } from "../core/json-path.ts";
import { faultHere, peekSpaced } from "../core/json-scan.ts";
import { type RecordSet, yieldTurn } from "./record-set.ts";
import { scanInSlices } from "./scan-in-slices.ts";

/**
 * The bytes of the items at a path of an answer; undefined when there are none: an empty array, or null.
 * Fails with INVALID_JSON, and with INVALID_BODY when nothing stands there.
 */
export async function itemsIn(body: Uint8Array, path: string): Promise<Uint8Array | undefined> {
  const span = await findItems(body, parsedPath(path) ?? []);
  if (!span) throw fail("INVALID_BODY", `the answer has no items at ${path}`);
  const items = body.subarray(span.start, span.end);
  const isNone =
    items[0] === 0x6e || /^\[\s*\]$/.test(Buffer.from(items.subarray(0, 64)).toString());
  return isNone ? undefined : items;
}

async function findItems(body: Uint8Array, path: JsonPath) {
  try {
    requireUtf8(body);
    const scan = { bytes: body, at: 0, end: body.length };
    if (peekSpaced(scan) === -1) throw faultHere(scan, "JSON");
    const span = await scanInSlices(scan, path);
    if (peekSpaced(scan) !== -1) throw faultHere(scan, "the end of the answer");
    return span;
  } catch (error) {
    throw error instanceof JsonFault ? failJson(error, body) : error;
  }
}

/** Ids between turns: a millisecond or two. */
const IDS_A_TURN = 1_000;

/** The records whose id was not seen, and the ids that are remembered then, at most `max`. */
export async function withoutSeen(
  records: RecordSet | undefined,
  before: readonly string[],
  max: number,
): Promise<{ readonly fresh: RecordSet | undefined; readonly seen: readonly string[] }> {
  if (!records || records.ids.length === 0) return { fresh: records, seen: before };
  const known = new Set(before);
  const rows: number[] = [];
  for (const [row, id] of records.ids.entries()) {
    if (row % IDS_A_TURN === IDS_A_TURN - 1) await yieldTurn();
    const hash = createHash("sha256").update(id).digest("base64url").slice(0, 16);
    if (id !== "" && known.has(hash)) continue;
    if (id !== "") known.add(hash);
    rows.push(row);
  }
  const seen = [...known].slice(-max);
  if (rows.length === 0) return { fresh: undefined, seen };
  const drifted = new Set(records.drifted);
  const fresh = {
    ...records,
    spans: rows.flatMap((row) => [records.spans[row * 2]!, records.spans[row * 2 + 1]!]),
    ids: rows.map((row) => records.ids[row]!),
    hashes: records.hashes.length > 0 ? rows.map((row) => records.hashes[row]!) : [],
    drifted: rows.flatMap((row, at) => (drifted.has(row) ? [at] : [])),
  };
  return { fresh, seen };
}
