/** Flips a bit of what nats-server has stored, as a bad disk does. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Flips one bit in the middle of the largest block of the shards; the server must not run. */
export async function flipBit(storeDir: string): Promise<void> {
  const streams = join(storeDir, "jetstream", "$G", "streams");
  let largest = { file: "", bytes: Buffer.alloc(0) };
  for (const stream of await readdir(streams)) {
    if (!/shard/i.test(stream)) continue;
    const folder = join(streams, stream, "msgs");
    for (const name of await readdir(folder)) {
      if (!name.endsWith(".blk")) continue;
      const bytes = await readFile(join(folder, name));
      if (bytes.length > largest.bytes.length) largest = { file: join(folder, name), bytes };
    }
  }
  const { file, bytes } = largest;
  bytes[bytes.length >> 1]! ^= 4;
  await writeFile(file, bytes);
}
