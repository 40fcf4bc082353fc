/** Deleting sinks: what is staged goes to its table first. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  DeleteSinkRequest,
  DeleteSinkResponseSchema,
} from "#gen/tributary/management/v1/sink_service_pb.js";
import { notFound } from "../core/errors.ts";
import { checkEtag } from "./catalog.ts";
import { keepDeleted } from "./deleted-store.ts";
import type { SinkCatalog } from "./sink-catalog.ts";
import { deleteSink as deleteRow, loadSink, lockSink } from "./sink-store.ts";

/** How long the deletion waits for the import. */
const FLUSH_MS = 20_000;

/**
 * Imports what a sink has staged, as far as that can be done, and deletes it; answers with what was
 * imported and what was left. Fails with RESOURCE_NOT_FOUND and ETAG_STALE.
 */
export async function deleteSink(
  catalog: SinkCatalog,
  { name, etag }: DeleteSinkRequest,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof DeleteSinkResponseSchema>> {
  const { database, masterKey, refresh, staged } = catalog;
  const { definition } = await database.inProject(name, async (queries) => {
    const saved = await loadSink(queries, masterKey, name);
    checkEtag(etag, saved.row);
    return saved;
  });
  const limit = AbortSignal.any([signal, AbortSignal.timeout(FLUSH_MS)]);
  const flushed = await staged.flush(definition, limit);
  await database.inProject(name, async (queries) => {
    const row = await lockSink(queries, name);
    if (row?.uid !== definition.uid) throw notFound(name);
    checkEtag(etag, row);
    await keepDeleted(queries, "sink", { ...row, time: new Date(catalog.now()) });
    await deleteRow(queries, row.uid);
  });
  await refresh();
  return {
    importedRows: BigInt(flushed?.imported ?? 0),
    leftRows: BigInt(flushed?.left ?? 0),
    leftCause: flushed?.cause ?? "",
  };
}
