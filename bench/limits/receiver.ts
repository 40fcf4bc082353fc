/**
 * A receiver of webhooks that costs little: it reads bodies without parsing them. Answers the status that
 * it is given, 200 by default. Prints its port.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const status = Number(process.argv[2] ?? 200);
const server = createServer((request, response) => {
  request.resume();
  request.on("end", () => {
    response.writeHead(status, { "content-length": "0" });
    response.end();
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
