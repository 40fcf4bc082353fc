/** Stub. */
import type { StreamPart } from "./stream.tsx";

/** The part. */
export default function Connect(_props: StreamPart) {
  return null;
}
