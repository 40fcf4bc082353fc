/**
 * What the changes of a stream with change data capture add up to, by the rules of the Postgres sink: a
 * record counts when its order value is greater than that of all before it with the same key.
 */
import { type ChangeDataCapture, Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { canonicalDecimal, compareDecimals } from "../core/decimal.ts";
import type { StreamDefinition } from "../core/definitions.ts";
import { fail } from "../core/errors.ts";
import { findScalar } from "../core/json-find.ts";
import { canonicalKeyOf } from "../core/record-rules.ts";
import { readTimestamp } from "../core/schema-time.ts";
import type { PlacedRecord } from "./placed-record.ts";

/** Where the newest record of a key stands. */
export interface RowPlace {
  readonly sequence: number;
  readonly index: number;
}

/** Takes changes in the order of the log. */
export interface RowResolver {
  /** Fails with TOO_LARGE when there are more keys than are held. */
  add(record: Pick<PlacedRecord, "sequence" | "index" | "json">): void;
  /** Places of the rows that are left, ascending. */
  rows(): RowPlace[];
}

const KEYS_MAX = 200_000;
const KEY_BYTES_MAX = 32 << 20;

type OrderValue = number | bigint | string;

interface Newest extends RowPlace {
  readonly order: OrderValue;
  readonly isDeleted: boolean;
}

/** Makes a resolver for a stream; records without its key or order field, of an earlier schema, are passed over. */
export function createRowResolver(
  stream: Pick<StreamDefinition, "schema" | "keyFields" | "schemaVersion" | "generation" | "name">,
  capture: ChangeDataCapture,
  keysMax = KEYS_MAX,
): RowResolver {
  const source = { schema: stream.schema, keyFields: stream.keyFields };
  const orderType = stream.schema.fields.find((field) => field.name === capture.orderField)?.type;
  const newest = new Map<string, Newest>();
  let keyBytes = 0;
  const keyOf = (json: Uint8Array) => {
    try {
      return canonicalKeyOf(json, source)?.text;
    } catch {
      return undefined;
    }
  };
  return {
    add({ sequence, index, json }) {
      const span = { start: 0, end: json.length };
      const key = keyOf(json);
      const order = orderValue(findScalar(json, span, [capture.orderField]), orderType);
      if (key === undefined || order === undefined) return;
      const known = newest.get(key);
      if (known && !isGreater(order, known.order, orderType)) return;
      if (!known) {
        keyBytes += key.length;
        if (newest.size >= keysMax || keyBytes > KEY_BYTES_MAX)
          throw tooManyKeys(stream.name, keysMax);
      }
      const isDeleted =
        capture.deleteField !== "" && findScalar(json, span, [capture.deleteField]) === "true";
      newest.set(key, { sequence, index, order, isDeleted });
    },
    rows: () =>
      [...newest.values()]
        .filter((each) => !each.isDeleted)
        .sort((a, b) => a.sequence - b.sequence || a.index - b.index),
  };
}

function tooManyKeys(name: string, keysMax: number) {
  const text = `${name} has more than ${keysMax} keys or ${KEY_BYTES_MAX >> 20} MiB of them, the most that the resolved view holds: deliver it to a table in the mode CHANGE_DATA_CAPTURE`;
  return fail("TOO_LARGE", text);
}

/** A value that compares as the destination's does; undefined when the text is none. */
function orderValue(text: string | undefined, type: Field_Type | undefined) {
  if (text === undefined) return undefined;
  try {
    if (type === Field_Type.DOUBLE) return Number(text);
    if (type === Field_Type.TIMESTAMP) return microseconds(text);
    return type === Field_Type.DATE ? text : canonicalDecimal(text);
  } catch {
    return undefined;
  }
}

/** Tables keep microseconds, so two instants within one are equal. */
function microseconds(text: string): bigint | undefined {
  const bytes = Buffer.from(text);
  const parts = readTimestamp(bytes, 0, bytes.length);
  if (typeof parts === "string") return undefined;
  const seconds = parts.days * 86_400 + parts.seconds - parts.offsetMinutes * 60;
  const fraction = Math.round(Number(`0.${parts.fraction || "0"}`) * 1e6);
  return BigInt(seconds) * 1_000_000n + BigInt(fraction);
}

function isGreater(a: OrderValue, b: OrderValue, type: Field_Type | undefined): boolean {
  const isDecimal = type === Field_Type.LONG || type === Field_Type.DECIMAL;
  return isDecimal ? compareDecimals(String(a), String(b)) > 0 : a > b;
}
