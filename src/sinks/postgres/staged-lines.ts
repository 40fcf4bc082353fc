/** The lines of staged chunks, one by one and all together. */
import type { Place } from "../sink.ts";
import type { StagedChunk } from "../staging.ts";
import type { CopyPart } from "./copy-query.ts";

/** Lines of chunks with the same columns. */
export interface StagedLines {
  readonly count: number;
  placeAt(index: number): Place;
  /** All of them. */
  readonly feed: CopyPart["feed"];
  /** Some of them, by their indexes. */
  feedOf(indexes: readonly number[]): CopyPart["feed"];
}

/** Gives the lines; nothing is copied. */
export function createStagedLines(chunks: readonly StagedChunk[]): StagedLines {
  let found: { readonly place: Place; readonly line: Buffer }[] | undefined;
  const all = () => {
    found ??= chunks.flatMap(linesOf);
    return found;
  };
  return {
    get count() {
      return all().length;
    },
    placeAt: (index) => all()[index]!.place,
    feed: async (send) => {
      for (const { csv } of chunks) send(bufferOf(csv));
    },
    feedOf: (indexes) => async (send) => {
      const lines = all();
      send(Buffer.concat(indexes.map((index) => lines[index]!.line)));
    },
  };
}

function linesOf({ csv, places, lineBytes }: StagedChunk): { place: Place; line: Buffer }[] {
  const bytes = bufferOf(csv);
  let from = 0;
  return places.map((place, i) => {
    const line = bytes.subarray(from, from + lineBytes[i]!);
    from += lineBytes[i]!;
    return { place, line };
  });
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
