/** The rpcs of StreamService that deal with proposed schemas. */
import { create, fromBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type Schema,
  SchemaProposal_State,
  SchemaProposalSchema,
  SchemaSchema,
  StreamSchema,
} from "#gen/tributary/management/v1/stream_pb.js";
import {
  type AcceptSchemaProposalRequest,
  type ListSchemaProposalsRequest,
  type StreamService,
  UpdateStreamRequestSchema,
} from "#gen/tributary/management/v1/stream_service_pb.js";
import { notFound } from "../core/errors.ts";
import { streamOf } from "../core/names.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import type { Catalog } from "./catalog.ts";
import { cursorOf } from "./newest-first.ts";
import { evolveRecord } from "./schema-drift.ts";
import {
  decideProposal,
  listProposals,
  lockProposal,
  type ProposalRow,
} from "./schema-proposal-store.ts";
import { findStream } from "./stream-store.ts";
import { updateStream } from "./update-stream.ts";

type ProposalMethods = Pick<
  ServiceImpl<typeof StreamService>,
  "listSchemaProposals" | "acceptSchemaProposal" | "dismissSchemaProposal"
>;

/** The methods, to be spread into the service. */
export function createProposalMethods(catalog: Catalog): ProposalMethods {
  return {
    listSchemaProposals: (request) => list(catalog, request),
    acceptSchemaProposal: async (request) => ({ stream: await accept(catalog, request) }),
    async dismissSchemaProposal({ name }) {
      await decide(catalog, name, SchemaProposal_State.DISMISSED);
      return {};
    },
  };
}

async function list({ database }: Catalog, request: ListSchemaProposalsRequest) {
  const { parent } = request;
  const page = readPageRequest(`schema proposals of ${parent}`, request);
  const { schema, rows } = await database.inProject(parent, async (queries) => {
    const stream = await findStream(queries, parent);
    if (!stream) throw notFound(parent);
    const found = await listProposals(queries, stream.uid, page);
    return { schema: fromBinary(SchemaSchema, stream.schema), rows: found };
  });
  const { rows: shown, nextPageToken } = makePage(page, rows, cursorOf);
  return { schemaProposals: shown.map((row) => viewOf(parent, schema, row)), nextPageToken };
}

function viewOf(parent: string, current: Schema, row: ProposalRow) {
  const { schema, changes, unusablePaths } = evolveRecord({ schema: current }, row.sample);
  return create(SchemaProposalSchema, {
    name: `${parent}/schemaProposals/${row.uid}`,
    state: row.state,
    schema,
    changes: changes.map((change) => ({ ...change })),
    sampleJson: Buffer.from(row.sample).toString(),
    unusablePaths: [...unusablePaths],
    createTime: timestampFromDate(row.createTime),
    ...(row.decideTime && { decideTime: timestampFromDate(row.decideTime) }),
  });
}

/** The schema is changed as by UpdateStream, so versions, sinks and the audit log see one kind of change. */
async function accept(catalog: Catalog, { name, schema }: AcceptSchemaProposalRequest) {
  const parent = streamOf(name) ?? "";
  const { stream, row } = await load(catalog, name);
  const wanted = schema ?? evolveRecord(stream, row.sample).schema;
  const request = create(UpdateStreamRequestSchema, {
    stream: create(StreamSchema, { name: parent, schema: wanted }),
    updateMask: { paths: ["schema"] },
  });
  const updated = await updateStream(catalog, request);
  await decide(catalog, name, SchemaProposal_State.ACCEPTED);
  return updated;
}

async function load({ database }: Catalog, name: string) {
  const { parent, uid } = split(name);
  return await database.inProject(parent, async (queries) => {
    const stream = await findStream(queries, parent);
    const row = stream && (await lockProposal(queries, stream.uid, uid));
    if (!stream || !row) throw notFound(name);
    return { stream: { schema: fromBinary(SchemaSchema, stream.schema) }, row };
  });
}

async function decide(
  { database, now }: Catalog,
  name: string,
  state: SchemaProposal_State,
): Promise<void> {
  const { parent, uid } = split(name);
  await database.inProject(parent, async (queries) => {
    const stream = await findStream(queries, parent);
    const row = stream && (await lockProposal(queries, stream.uid, uid));
    if (!row) throw notFound(name);
    await decideProposal(queries, uid, { state, decideTime: new Date(now()) });
  });
}

function split(name: string): { readonly parent: string; readonly uid: string } {
  const parent = streamOf(name);
  const [, uid] = /\/schemaProposals\/([a-z0-9]{1,40})$/.exec(name) ?? [];
  if (!parent || !uid || name !== `${parent}/schemaProposals/${uid}`) throw notFound(name);
  return { parent, uid };
}
