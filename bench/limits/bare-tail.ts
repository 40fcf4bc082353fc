/**
 * The limit below a frame for many readers: a bare server that writes the same bytes to every socket, in
 * turns of 32. Arguments: bytes a frame, milliseconds between frames. Prints its port.
 */
import { createServer, type Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";

const [bytes = 80_000, everyMs = 500] = process.argv.slice(2).map(Number);
const READERS_PER_TURN = 32;
const HEAD = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
// An envelope whose flags say that it is no message, in one chunk.
const envelope = Buffer.alloc(bytes);
envelope[0] = 2;
envelope.writeUInt32BE(bytes - 5, 1);
const frame = Buffer.concat([
  Buffer.from(`${bytes.toString(16)}\r\n`),
  envelope,
  Buffer.from("\r\n"),
]);
const sockets = new Set<Socket>();

const server = createServer({ noDelay: true }, (socket) => {
  socket.once("data", () => {
    socket.write(HEAD);
    sockets.add(socket);
  });
  socket.resume();
  socket.on("error", () => socket.destroy());
  socket.on("close", () => sockets.delete(socket));
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${(server.address() as { port: number }).port}\n`);
});

async function give(): Promise<void> {
  const all = [...sockets];
  for (let at = 0; at < all.length; at += READERS_PER_TURN) {
    if (at > 0) await nextTurn();
    for (const socket of all.slice(at, at + READERS_PER_TURN)) socket.write(frame);
  }
}

setInterval(() => void give(), everyMs);
