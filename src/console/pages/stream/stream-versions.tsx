/** What the stream and its schema were. */
import { Versions } from "../../parts/versions.tsx";
import type { StreamPart } from "./stream.tsx";

/** The part "Versions". */
export default function StreamVersions({ stream }: StreamPart) {
  return <Versions name={stream.name} />;
}
