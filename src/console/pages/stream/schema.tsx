/** Stub. */
import type { StreamPart } from "./stream.tsx";

/** The part. */
export default function SchemaView(_props: StreamPart) {
  return null;
}
