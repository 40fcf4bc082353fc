/**
 * A program: connects to Postgres through servers that reset each connection when it has answered so many
 * bytes, and says what came of it. `node cut-connections.ts <url>`
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { openDatabase } from "../../../src/db/client.ts";
import { quietLogger } from "../quiet-logger.ts";

const url = process.argv[2]!;

/** A server before Postgres, and its address. */
async function openCutter(bytes: number) {
  const { hostname, port } = new URL(url);
  const server = createServer((inner) => {
    let left = bytes;
    const outer = connect({ host: hostname, port: Number(port) });
    inner.on("error", () => undefined).on("close", () => outer.destroy());
    outer.on("error", () => undefined).on("close", () => inner.destroy());
    inner.on("data", (chunk) => outer.write(chunk));
    outer.on("data", (chunk: Buffer) => {
      inner.write(chunk.subarray(0, left), () => left <= 0 && inner.resetAndDestroy());
      left -= chunk.length;
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const before = new URL(url);
  before.port = String((server.address() as AddressInfo).port);
  return { url: before.href, close: () => server.close() };
}

/** Asks through one of them; gives whether there was an answer. */
async function isAnswered(bytes: number): Promise<boolean> {
  const cutter = await openCutter(bytes);
  const database = openDatabase({ url: cutter.url, logger: quietLogger, max: 1 });
  const isGood = await database.sql`SELECT 1`.then(
    () => true,
    () => false,
  );
  await database.close();
  cutter.close();
  return isGood;
}

const cuts = [20, 260, 500, 740, 980, 1_220, Number.POSITIVE_INFINITY];
const answers = await Promise.all(cuts.map(isAnswered));
const good = answers.filter(Boolean).length;
process.stdout.write(`${answers.length - good} connections were cut, ${good} was not\n`);
