/** The rpcs of SinkService that deal with held records. */
import type { ServiceImpl } from "@connectrpc/connect";
import type { SinkService } from "#gen/tributary/management/v1/sink_service_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import { type FieldViolation, failFields } from "../core/errors.ts";
import type { Place } from "../sinks/sink.ts";
import { previewHeld } from "./preview-held.ts";
import type { SinkCatalog } from "./sink-catalog.ts";
import { loadSink } from "./sink-store.ts";

type HeldMethods = Pick<
  ServiceImpl<typeof SinkService>,
  "listHeldRecords" | "previewHeldRecords" | "replayHeldRecords" | "discardHeldRecords"
>;

/** Records that one command with a reason names. */
const NAMED_MAX = 10_000;
const PAGE_SIZE = 1_000;

/** The methods, to be spread into the service. */
export function createHeldMethods(catalog: SinkCatalog): HeldMethods {
  const { database, masterKey, held } = catalog;
  const find = async (name: string): Promise<SinkDefinition> =>
    (await database.inProject(name, (queries) => loadSink(queries, masterKey, name))).definition;
  const command = async (request: CommandRequest, action: "replay" | "discard") => {
    const sink = await find(request.name);
    const given = readPlaces(request.places);
    const places = request.reason === "" ? given : await placesOf(catalog, sink, request, given);
    // No places would mean all of them.
    if (request.reason !== "" && places.length === 0) return { count: 0n };
    return { count: BigInt(await held[action](sink, places)) };
  };
  return {
    async listHeldRecords({ parent, pageSize, pageToken, reason }) {
      const size = pageSize > 0 ? Math.min(pageSize, 1_000) : 50;
      const sink = await find(parent);
      const page = { pageSize: size, pageToken, reason };
      const { heldRecords, nextPageToken } = await held.list(sink, page);
      return { heldRecords: [...heldRecords], nextPageToken };
    },
    async previewHeldRecords(request, context) {
      const places = readPlaces(request.places);
      return await previewHeld(catalog, { request, places, signal: context.signal });
    },
    replayHeldRecords: (request) => command(request, "replay"),
    discardHeldRecords: (request) => command(request, "discard"),
  };
}

interface CommandRequest {
  readonly name: string;
  readonly places: readonly string[];
  readonly reason: string;
}

/** Places of what is held for a reason, of the given places when there are some. */
async function placesOf(
  { held }: SinkCatalog,
  sink: SinkDefinition,
  { reason }: CommandRequest,
  given: readonly Place[],
): Promise<Place[]> {
  if (given.length > 0) {
    const looks = await held.read(sink, given);
    return readPlaces(
      looks.flatMap(({ record }) => (record.reason === reason ? record.place : [])),
    );
  }
  const texts: string[] = [];
  let pageToken = "";
  do {
    const page = await held.list(sink, { pageSize: PAGE_SIZE, pageToken, reason });
    texts.push(...page.heldRecords.map(({ place }) => place));
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && texts.length < NAMED_MAX);
  return readPlaces(texts.slice(0, NAMED_MAX));
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
