/** The stream and the log that a push names. */
import type { Definitions, LogDefinition, StreamDefinition } from "../core/definitions.ts";
import { failFields, notFound } from "../core/errors.ts";
import { formatName, ID_PATTERN, parseName } from "../core/names.ts";

/** How long to wait for the definition of a generation that the log knows already. */
const FRESH_WAIT_MS = 3000;

/** Fails with RESOURCE_NOT_FOUND, or INVALID_FIELDS when it is no name of a stream. */
export function findStream(definitions: Definitions, name: string): StreamDefinition {
  const stream = definitions.stream(name);
  // Parsing costs more than looking up, and a stream that exists has a good name.
  if (stream) return stream;
  if (parseName(name, "stream")) throw notFound(name);
  throw failFields([{ field: "stream", description: "is not projects/{p}/streams/{s}" }]);
}

/** The log of a branch; empty means `main`. Fails with RESOURCE_NOT_FOUND or INVALID_FIELDS. */
export function logOf(stream: StreamDefinition, branch: string): LogDefinition {
  const id = branch === "" ? "main" : branch;
  const log = ID_PATTERN.test(id) ? stream.logs.get(id) : undefined;
  if (log) return log;
  if (!ID_PATTERN.test(id)) {
    throw failFields([{ field: "branch", description: "is not an id such as main" }]);
  }
  throw notFound(formatName("branch", ...parseName(stream.name, "stream")!, id));
}

/** Resolves when the definition of a stream was replaced, or after 3 s. */
export function waitForNewer(definitions: Definitions, stream: StreamDefinition): Promise<void> {
  if (definitions.stream(stream.name) !== stream) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      stop();
      resolve();
    };
    const timer = setTimeout(finish, FRESH_WAIT_MS);
    const stop = definitions.onChange(() => {
      if (definitions.stream(stream.name) !== stream) finish();
    });
  });
}
