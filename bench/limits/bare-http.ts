/**
 * The limit above a push: node:http that parses the body as JSON, checks each record by the schema of
 * the benchmarks, and keeps nothing.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const TIME =
  /^\d{4}-(?:0\d|1[0-2])-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

/** No field but the known ones, each there and of its type. */
function isGood(record: unknown): boolean {
  if (typeof record !== "object" || record === null) return false;
  let known = 0;
  for (const [name, value] of Object.entries(record)) {
    if (name === "sensor_id" && typeof value === "string") known++;
    else if (name === "temperature" && typeof value === "number") known++;
    else if (name === "created_at" && typeof value === "string" && TIME.test(value)) known++;
    else return false;
  }
  return known === 3;
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const records = JSON.parse(Buffer.concat(chunks).toString()) as { value: unknown }[];
    response.statusCode = records.every(({ value }) => isGood(value)) ? 200 : 400;
    const body = JSON.stringify({ accepted: String(records.length) });
    response.setHeader("content-type", "application/json");
    response.setHeader("content-length", String(body.length));
    response.end(body);
  });
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
