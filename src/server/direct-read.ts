/**
 * Reads sockets into one buffer that all of them share. Node allocates 64 KiB for each read, makes an
 * ArrayBuffer of what came and passes it through a stream; for a push of 200 bytes that is an eighth of
 * its CPU, and the buffers are most of the memory of a busy process. Node offers a buffer of one's own
 * (`onread`) only to sockets that a program makes by itself, not to those that its server accepts, so
 * this sets the same three things that the option sets. Where a version of Node has them no more, nothing
 * is changed and the caller reads as usual.
 */
import { Socket } from "node:net";
import { TLSSocket } from "node:tls";

/** Bytes of one read: a call of a thousand small records arrives in one. */
const BUFFER_BYTES = 256 * 1024;

/** What `onread` sets in a socket and its handle. */
type Internals = Readonly<Record<"buffer" | "callback", symbol>>;
type Open = Socket & Record<symbol, unknown> & { readonly _handle?: Handle | null };
type Handle = { readonly useUserBuffer?: (buffer: Uint8Array) => void };

let internals: Internals | undefined | "unknown" = "unknown";
let buffer: Buffer | undefined;

/**
 * Gives what arrives to `onBytes`, as a view that holds good until it returns; `pause`, `resume`, `end` and
 * `close` of the socket stay as they are. False where that is not possible, and for TLS. There is no way
 * back: who hands the socket on must `push` copies into it from then on.
 */
export function readDirectly(socket: Socket, onBytes: (bytes: Buffer) => void): boolean {
  if (internals === "unknown") internals = findInternals();
  const open = socket as Open;
  const handle = open._handle;
  const setBuffer = handle?.useUserBuffer;
  if (!internals || !setBuffer || socket instanceof TLSSocket) return false;
  buffer ??= Buffer.allocUnsafeSlow(BUFFER_BYTES);
  const shared = buffer;
  open[internals.callback] = (length: number) => {
    onBytes(shared.subarray(0, length));
    return true;
  };
  open[internals.buffer] = shared;
  setBuffer.call(handle, shared);
  return true;
}

/** Every socket has them from its beginning, without a value. */
function findInternals(): Internals | undefined {
  const symbols = Object.getOwnPropertySymbols(new Socket());
  const find = (name: string) => symbols.find(({ description }) => description === name);
  const [kBuffer, kBufferCb, kBufferGen] = ["kBuffer", "kBufferCb", "kBufferGen"].map(find);
  return kBuffer && kBufferCb && kBufferGen ? { buffer: kBuffer, callback: kBufferCb } : undefined;
}
