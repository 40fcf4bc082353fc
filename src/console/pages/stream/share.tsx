/** Stub. */
import type { StreamPart } from "./stream.tsx";

/** The part. */
export default function Share(_props: StreamPart) {
  return null;
}
