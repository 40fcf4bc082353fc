/** The rpcs of SinkService that deal with staged rows. */
import type { ServiceImpl } from "@connectrpc/connect";
import type { SinkService } from "#gen/tributary/management/v1/sink_service_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import type { SinkCatalog } from "./sink-catalog.ts";
import { loadSink } from "./sink-store.ts";

const PAGE_SIZE = 50;
const PAGE_SIZE_MAX = 200;

/** The methods, to be spread into the service. */
export function createStagedMethods({
  database,
  masterKey,
  staged,
}: SinkCatalog): Pick<ServiceImpl<typeof SinkService>, "listStagedChunks" | "readStagedCsv"> {
  const find = async (name: string): Promise<SinkDefinition> =>
    (await database.inProject(name, (queries) => loadSink(queries, masterKey, name))).definition;
  return {
    async listStagedChunks({ parent, pageSize, pageToken }) {
      const size = pageSize > 0 ? Math.min(pageSize, PAGE_SIZE_MAX) : PAGE_SIZE;
      const { stagedChunks, nextPageToken } = await staged.list(
        await find(parent),
        size,
        pageToken,
      );
      return { stagedChunks: [...stagedChunks], nextPageToken };
    },
    readStagedCsv: async ({ name, pageToken }) => staged.read(await find(name), pageToken),
  };
}
