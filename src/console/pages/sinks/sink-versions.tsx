/** What the sink was. */
import { Versions } from "../../parts/versions.tsx";
import type { SinkPart } from "./sink-details.tsx";

/** The part "Versions". */
export default function SinkVersions({ sink }: SinkPart) {
  return <Versions name={sink.name} />;
}
