/** What the services that tell of deliveries work with. */
import type { Definitions, SinkDefinition } from "../core/definitions.ts";
import { notFound } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { parseName } from "../core/names.ts";
import type { Database } from "../db/client.ts";
import type { TemplateCompiler } from "../mapping/row-transform.ts";
import type { Reader } from "./stored-records.ts";

/** The parts. */
export interface WatchParts {
  readonly database: Database;
  readonly definitions: Definitions;
  readonly reader: Reader;
  readonly templates: TemplateCompiler;
  readonly logger: Logger;
  readonly now: () => number;
}

/** The sink of a name. Fails with RESOURCE_NOT_FOUND. */
export function findSink({ definitions }: Pick<WatchParts, "definitions">, name: string) {
  const sink: SinkDefinition | undefined = parseName(name, "sink") && definitions.sink(name);
  if (!sink) throw notFound(name);
  return sink;
}
