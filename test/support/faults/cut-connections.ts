/**
 * A program: connects to Postgres through a server that resets each connection when it has answered so many
 * bytes, and says what came of it. `node cut-connections.ts <url>`
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { openDatabase } from "../../../src/db/client.ts";
import { quietLogger } from "../quiet-logger.ts";

const url = new URL(process.argv[2]!);
const { hostname, port } = url;
let left = 0;
const server = createServer((inner) => {
  const outer = connect({ host: hostname, port: Number(port) });
  inner.on("error", () => undefined).on("close", () => outer.destroy());
  outer.on("error", () => undefined).on("close", () => inner.destroy());
  inner.on("data", (bytes) => outer.write(bytes));
  outer.on("data", (bytes) => {
    inner.write(bytes.subarray(0, left), () => left <= 0 && inner.resetAndDestroy());
    left -= bytes.length;
  });
}).listen(0, "127.0.0.1");
await once(server, "listening");
url.port = String((server.address() as AddressInfo).port);

async function ask(bytes: number): Promise<unknown> {
  left = bytes;
  const database = openDatabase({ url: url.href, logger: quietLogger, max: 1 });
  const answer = await database.sql`SELECT 1 AS one`.catch(() => undefined);
  await database.close();
  return answer?.[0]?.one;
}

let cut = 0;
for (let bytes = 20; bytes <= 1_220; bytes += 240) {
  if ((await ask(bytes)) === undefined) cut += 1;
}
const answer = await ask(Number.POSITIVE_INFINITY);
process.stdout.write(`${cut} connections were cut, and one was not: ${answer}\n`);
server.close();
