/**
 * Bytes of a connection that wait for more: copied once when they arrive, in a buffer that doubles. A
 * view that was given out stays as it is, for only the room behind the last byte is written.
 */
export class PendingBytes {
  #buffer: Buffer = NONE;
  #start = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  /** Bytes of memory that it keeps. */
  get capacity(): number {
    return this.#buffer.length;
  }

  /** Makes room for so many bytes, those that are there included. */
  reserve(bytes: number): void {
    if (this.#start + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(bytes);
    larger.set(this.view());
    this.#end = this.length;
    this.#start = 0;
    this.#buffer = larger;
  }

  /** Adds a copy of the chunk. */
  add(chunk: Uint8Array): void {
    const length = this.length + chunk.length;
    if (this.#start + length > this.#buffer.length) this.reserve(Math.max(length * 2, 1024));
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** All of it. */
  view(): Buffer {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** Drops the first bytes. */
  drop(length: number): void {
    this.#start += length;
    if (this.#start >= this.#end) this.clear();
  }

  clear(): void {
    this.#buffer = NONE;
    this.#start = 0;
    this.#end = 0;
  }
}

const NONE = Buffer.alloc(0);
