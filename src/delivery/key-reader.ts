/** Keys of rows as texts: only their hashes travel with records. */
import type { StreamDefinition, StreamVersion } from "../core/definitions.ts";
import { canonicalKeyOf } from "../core/record-rules.ts";
import type { KeyReader, SinkRow } from "../sinks/sink.ts";

/** Makes the reader; it follows the definition, and knows the keys of earlier generations. */
export function createKeyReader(stream: () => StreamDefinition | undefined): KeyReader {
  return (row, generation) => {
    const definition = stream();
    const version = definition && versionOf(definition, row, generation);
    return version && canonicalKeyOf((row.stored ?? row).json, version)?.text;
  };
}

/** What the stream was when the row was stored. */
function versionOf(
  definition: StreamDefinition,
  { schemaVersion }: SinkRow,
  generation: number,
): StreamDefinition | StreamVersion {
  const isSame = (version: StreamVersion | StreamDefinition) =>
    version.generation === generation && version.schemaVersion === schemaVersion;
  if (isSame(definition)) return definition;
  const { history } = definition;
  // Types of key fields hold for a generation, so any of its versions reads its keys.
  return (
    history.find(isSame) ??
    (definition.generation === generation
      ? definition
      : (history.find((version) => version.generation === generation) ?? definition))
  );
}
