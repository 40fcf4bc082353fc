/** The rpcs of SinkService that deal with held records. */
import type { ServiceImpl } from "@connectrpc/connect";
import type { SinkService } from "#gen/tributary/management/v1/sink_service_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import { type FieldViolation, failFields } from "../core/errors.ts";
import type { Place } from "../sinks/sink.ts";
import type { SinkCatalog } from "./sink-catalog.ts";
import { loadSink } from "./sink-store.ts";

type HeldMethods = Pick<
  ServiceImpl<typeof SinkService>,
  "listHeldRecords" | "replayHeldRecords" | "discardHeldRecords"
>;

/** The methods, to be spread into the service. */
export function createHeldMethods(catalog: SinkCatalog): HeldMethods {
  const { database, masterKey, held } = catalog;
  const find = async (name: string): Promise<SinkDefinition> =>
    (await database.inProject(name, (queries) => loadSink(queries, masterKey, name))).definition;
  return {
    async listHeldRecords({ parent, pageSize, pageToken }) {
      const size = pageSize > 0 ? Math.min(pageSize, 1_000) : 50;
      const { heldRecords, nextPageToken } = await held.list(await find(parent), size, pageToken);
      return { heldRecords: [...heldRecords], nextPageToken };
    },
    async replayHeldRecords({ name, places }) {
      const count = await held.replay(await find(name), readPlaces(places));
      return { count: BigInt(count) };
    },
    async discardHeldRecords({ name, places }) {
      const count = await held.discard(await find(name), readPlaces(places));
      return { count: BigInt(count) };
    },
  };
}

/** Places written as `<sequence>-<index>`. */
function readPlaces(texts: readonly string[]): Place[] {
  const violations: FieldViolation[] = [];
  const places = texts.map((text, at) => {
    const [, sequence = "", index = ""] = /^(\d{1,15})-(\d{1,9})$/.exec(text) ?? [];
    if (sequence === "") {
      const description = "is not a place; one looks like 12345-0";
      violations.push({ field: `places[${at}]`, description });
    }
    return { sequence: Number(sequence), index: Number(index) };
  });
  if (violations.length > 0) throw failFields(violations.slice(0, 100));
  return places;
}
