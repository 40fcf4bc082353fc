/** CatalogService: values that other calls take, read from where those calls read them. */
import type { DescEnum } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { CatalogService } from "#gen/tributary/management/v1/catalog_service_pb.js";
import { FieldTermSchema } from "#gen/tributary/management/v1/filter_pb.js";
import { Sink_StateSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Schema_PresetSchema } from "#gen/tributary/management/v1/stream_pb.js";
import type { SinkDrivers } from "./sink-kind.ts";

/** What values mean, where their names say too little. */
const MEANINGS: Readonly<Record<string, string>> = {
  RUNNING: "delivers",
  PAUSED: "stopped by its owner; keeps its position",
  ERROR: "cannot deliver, and says why",
  PENDING: "made or restarted, not yet running",
  HTTP_REQUEST: "requests of a source, whole",
  FEED_UPDATES: "updates of feeds",
  USAGE_DATA: "usage records, delivered whole",
  EVENTS: "events with a type",
  field: "a path in the record; `value` says what it must equal, of a list any one",
  or: "a group of which at least one must hold",
  and: "a group of which all must hold",
};

/** The rpcs of CatalogService. */
export function createCatalogService(drivers: SinkDrivers): ServiceImpl<typeof CatalogService> {
  const kinds = Object.entries(drivers)
    .map(([kind, { defaults, countMax, keepsCursor }]) => ({
      kind,
      batchCount: defaults.count,
      batchCountMax: countMax,
      exactlyOnce: keepsCursor,
    }))
    .sort((a, b) => (a.kind < b.kind ? -1 : 1));
  const states = valuesOf(Sink_StateSchema);
  const types = valuesOf(Schema_PresetSchema);
  const terms = FieldTermSchema.fields.map(({ name }) => name).filter((name) => name !== "value");
  const filterTypes = terms.map(lookup);
  return {
    listSinkKinds: () => ({ kinds }),
    listSinkStates: () => ({ states }),
    listStreamTypes: () => ({ types }),
    listFilterFieldTypes: () => ({ types: filterTypes }),
  };
}

/** All values but the one that says nothing. */
function valuesOf(schema: DescEnum) {
  return schema.values.filter(({ number }) => number !== 0).map(({ name }) => lookup(name));
}

function lookup(value: string) {
  return { value, description: MEANINGS[value] ?? "" };
}
