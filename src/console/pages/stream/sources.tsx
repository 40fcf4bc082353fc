/** Stub. */
import type { StreamPart } from "./stream.tsx";

/** The part. */
export default function Sources(_props: StreamPart) {
  return null;
}
