/** The rpcs of SourceService that deal with records: trials and quarantine. */
import type { ServiceImpl } from "@connectrpc/connect";
import type { SourceService } from "#gen/tributary/management/v1/source_service_pb.js";
import type { SourceDefinition } from "../core/definitions.ts";
import { fail, failFields } from "../core/errors.ts";
import type { SourceCatalog } from "./source-catalog.ts";
import { definitionFromRow, loadSource } from "./source-store.ts";
import { testSource } from "./test-source.ts";

type QuarantineMethods = Pick<
  ServiceImpl<typeof SourceService>,
  "testSource" | "listQuarantinedRecords" | "resendQuarantinedRecords" | "discardQuarantinedRecords"
>;

const RESEND_MAX = 1_000;

/** The methods, to be spread into the service. */
export function createQuarantineMethods(catalog: SourceCatalog): QuarantineMethods {
  const { database, desk, now } = catalog;
  const find = async (name: string): Promise<SourceDefinition> => {
    const saved = await database.inProject(name, (queries) =>
      loadSource(queries, name, new Date(now())),
    );
    return definitionFromRow(saved.row, []);
  };
  return {
    testSource: (request, context) => testSource(catalog, request, context.signal),
    async listQuarantinedRecords({ parent, pageSize, pageToken }) {
      const source = await find(parent);
      const size = pageSize > 0 ? Math.min(pageSize, 1_000) : 50;
      const before = pageToken === "" ? undefined : openToken(source.uid, pageToken);
      const all = await desk.ids(source);
      const from = before === undefined ? all : all.filter((id) => id < before);
      const page = from.slice(0, size);
      const last = page.at(-1);
      return {
        quarantinedRecords: await desk.read(source, page),
        nextPageToken: last && from.length > size ? sealToken(source.uid, last) : "",
        total: BigInt(all.length),
      };
    },
    async resendQuarantinedRecords({ name, ids, json }) {
      const source = await find(name);
      const isFixed = json.length > 0;
      if (isFixed && ids.length !== 1) {
        throw failFields([{ field: "json", description: "goes with exactly one id" }]);
      }
      const chosen = ids.length > 0 ? ids : (await desk.ids(source)).slice(-RESEND_MAX).reverse();
      const { resent, refusals } = await desk.resend(source, chosen, isFixed ? json : undefined);
      return { resent: BigInt(resent), refusals: [...refusals] };
    },
    async discardQuarantinedRecords({ name, ids }) {
      const source = await find(name);
      const all = new Set(await desk.ids(source));
      const chosen = ids.length > 0 ? ids.filter((id) => all.has(id)) : [...all];
      await desk.remove(source, chosen);
      return { count: BigInt(chosen.length) };
    },
  };
}

function sealToken(sourceUid: string, id: string): string {
  return Buffer.from(`${sourceUid}.${id}`).toString("base64url");
}

function openToken(sourceUid: string, token: string): string {
  const [uid, id = ""] = Buffer.from(token, "base64url").toString().split(".");
  if (uid === sourceUid && id !== "") return id;
  throw fail("PAGE_TOKEN_INVALID", "page_token is not from the previous answer to this request");
}
