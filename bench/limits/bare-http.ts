/** The limit above a push: node:http that parses the body as JSON, and keeps nothing. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const records = JSON.parse(Buffer.concat(chunks).toString()) as unknown[];
    const body = JSON.stringify({ accepted: String(records.length) });
    response.setHeader("content-type", "application/json");
    response.setHeader("content-length", String(body.length));
    response.end(body);
  });
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
