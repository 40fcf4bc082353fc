/** The roles on a stream. */
import { Grants } from "../../parts/grants.tsx";
import type { StreamPart } from "./stream.tsx";

/** The part "Share". */
export default function Share({ stream }: StreamPart) {
  return <Grants parent={stream.name} what="stream" />;
}
