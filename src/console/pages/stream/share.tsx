/** The roles on a stream. */

import { MAIN } from "../../api/log-place.ts";
import { Grants } from "../../parts/grants.tsx";
import { Note } from "../../parts/note.tsx";
import type { StreamPart } from "./stream.tsx";

/** The part "Share". */
export default function Share({ stream, branch }: StreamPart) {
  return (
    <>
      {branch !== MAIN && (
        <Note>Roles are given on the stream, and hold on all of its branches.</Note>
      )}
      <Grants parent={stream.name} what="stream" />
    </>
  );
}
