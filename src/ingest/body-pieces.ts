/** The pieces of a body on their way to one buffer. */

/** From here on pieces are joined as they come: to join them at the end would be a long turn of the event loop. */
const LARGE_BYTES = 256 * 1024;

/** What has arrived. */
export interface BodyPieces {
  add(piece: Buffer): void;
  /** All of it. */
  whole(): Buffer;
}

/**
 * Gathers pieces of a body that is said to have `expected` bytes, undefined when nobody said; what comes
 * beyond it counts all the same. Memory that nothing was written to yet takes no room.
 */
export function gatherPieces(expected: number | undefined): BodyPieces {
  const isLarge = expected !== undefined && expected > LARGE_BYTES;
  return isLarge ? joinAtOnce(expected) : joinAtEnd([]);
}

function joinAtOnce(expected: number): BodyPieces {
  const joined = Buffer.allocUnsafeSlow(expected);
  let size = 0;
  let beyond: BodyPieces | undefined;
  return {
    add(piece) {
      if (!beyond && size + piece.length > expected) beyond = joinAtEnd([joined.subarray(0, size)]);
      if (beyond) {
        beyond.add(piece);
        return;
      }
      joined.set(piece, size);
      size += piece.length;
    },
    whole: () => beyond?.whole() ?? joined.subarray(0, size),
  };
}

function joinAtEnd(pieces: Buffer[]): BodyPieces {
  return {
    add: (piece) => void pieces.push(piece),
    whole: () => (pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)),
  };
}
