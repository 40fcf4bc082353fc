/** Stub. */
import type { StreamPart } from "../stream/stream.tsx";

/** The part. */
export default function Sinks(_props: StreamPart) {
  return null;
}
