/** Bodies of requests: the records' own bytes, or what a template makes of them. */
import type { WebhookSink } from "#gen/tributary/management/v1/sink_pb.js";
import type { BodyTemplates, RequestOutcome, SinkRow } from "../sink.ts";
import { retryRequest, SinkFault } from "../sink-fault.ts";

/** The template makes no body of these records. */
export class BodyFault extends Error {}

/** Makes the body of a request; rejects with BodyFault, or SinkFault when the template is none. */
export type BodyMaker = (rows: readonly SinkRow[], signal: AbortSignal) => Promise<Buffer>;

/** The maker of a configuration. */
export function createBodyMaker(
  { singleObject, bodyTemplate }: WebhookSink,
  templates: BodyTemplates | undefined,
): BodyMaker {
  const plainBody = (rows: readonly SinkRow[]) =>
    singleObject && rows[0] ? Buffer.from(rows[0].json) : listOf(rows);
  if (bodyTemplate === "") return async (rows) => plainBody(rows);
  const template = templates?.compile(bodyTemplate) ?? "templates are not available";
  return async (rows, signal) => {
    if (typeof template === "string") throw new SinkFault("TEMPLATE_INVALID", template);
    const json = singleObject && rows.length === 0 ? "{}" : plainBody(rows).toString();
    const timeMs = Math.floor((rows[0]?.arrivalTimeUs ?? 0) / 1000);
    const made = await template.run({ json, timeMs }, signal);
    if ("fault" in made) throw new BodyFault(made.fault);
    return Buffer.from(made.json);
  };
}

/** Halved until one record is left, and that one is held. */
export function outcomeOfBodyFault({ message }: BodyFault, rows: number): RequestOutcome {
  const [reason, why] = ["TEMPLATE_FAILED", `the template of the body: ${message}`];
  if (rows > 1) return retryRequest(reason, why);
  return { kind: "rows", outcomes: [{ kind: "reject", reason, why }] };
}

/** The records' own bytes as a JSON array. */
function listOf(rows: readonly SinkRow[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from("[")];
  rows.forEach((row, index) => {
    if (index > 0) parts.push(Buffer.from(","));
    parts.push(row.json);
  });
  parts.push(Buffer.from("]"));
  return Buffer.concat(parts);
}
