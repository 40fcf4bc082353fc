import { createHash } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Place, SinkRequest } from "../sink.ts";

/** An open file that is not complete yet: nobody but this process looks at it. */
export interface Part {
  /** Appends the rows of a request; a request that is there already adds nothing. */
  append(request: SinkRequest): Promise<void>;
  readonly places: readonly Place[];
  /** Syncs the file and gives it its final name; the caller syncs the folder. Repeatable. */
  complete(): Promise<void>;
  /** Closes and deletes what is not complete. Idempotent. */
  discard(): Promise<void>;
}

/** Where a part is made, and what its final name begins with. */
export interface PartLocation {
  readonly directory: string;
  /** Of the sink and partition; unique among the parts that one open sink has at once. */
  readonly prefix: string;
  /** Names the open sink: two versions of a sink may be open side by side. */
  readonly opening: string;
}

const NEWLINE = Buffer.from("\n");

/** Name of a part while it is open. */
function partName(prefix: string, opening: string): string {
  return `.${prefix}.${opening}.part`;
}

/** The open sink that a name of a part names. */
export function openingOf(name: string): string {
  return name.split(".").at(-2) ?? "";
}

/** Opens an empty part. */
export async function openPart({ directory, prefix, opening }: PartLocation): Promise<Part> {
  const path = join(directory, partName(prefix, opening));
  const handle: FileHandle = await open(path, "w", 0o640);
  const places: Place[] = [];
  const requests = new Set<string>();
  let size = 0;
  let isOpen = true;
  let isComplete = false;
  const close = async () => {
    if (!isOpen) return;
    isOpen = false;
    await handle.close();
  };
  return {
    places,
    async append(request) {
      if (requests.has(request.id)) return;
      const bytes = Buffer.concat(request.rows.flatMap((row) => [oneLine(row.json), NEWLINE]));
      // Written at a fixed position: a failed write leaves bytes that the next one overwrites.
      for (let done = 0; done < bytes.length; ) {
        done += (await handle.write(bytes, done, bytes.length - done, size + done)).bytesWritten;
      }
      size += bytes.length;
      requests.add(request.id);
      for (const row of request.rows) places.push(row.place);
    },
    async complete() {
      if (isOpen) {
        await handle.truncate(size);
        await handle.sync();
        await close();
      }
      if (isComplete) return;
      await rename(path, join(directory, finalName(prefix, places)));
      isComplete = true;
    },
    async discard() {
      await close();
      if (!isComplete) await rm(path, { force: true });
    },
  };
}

/**
 * A name made of the places alone: the same rows written again after a crash replace their file. The
 * digest keeps files apart that begin and end with the same record.
 */
function finalName(prefix: string, places: readonly Place[]): string {
  const texts = places.map((place) => `${place.sequence}.${place.index}`);
  const digest = createHash("sha256").update(texts.join(",")).digest("hex").slice(0, 12);
  return `${prefix}-${texts[0]}-${texts.at(-1)}-${digest}.ndjson`;
}

/** JSON text without line breaks: those may stand only between its tokens (RFC 8259, section 7). */
function oneLine(json: Uint8Array): Uint8Array {
  return json.includes(0x0a) || json.includes(0x0d)
    ? Buffer.from(json).map((byte) => (byte === 0x0a || byte === 0x0d ? 0x20 : byte))
    : json;
}
