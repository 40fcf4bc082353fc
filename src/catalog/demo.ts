/** What an installation has before anybody made something: a demo, or at least an operator. */
import { create } from "@bufbuild/protobuf";
import { AccessRule_Role } from "#gen/tributary/access/v1/access_pb.js";
import {
  type Application,
  ApplicationSchema,
} from "#gen/tributary/management/v1/application_pb.js";
import { Start_Position } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import { reasonOf } from "../core/errors.ts";
import { createApplication } from "./application-service.ts";
import {
  deleteApplication,
  findApplication,
  listSecrets,
  lockApplication,
} from "./application-store.ts";
import type { Catalog } from "./catalog.ts";
import { describeSecret } from "./client-secret.ts";
import { createSink } from "./create-sink.ts";
import { putGrant } from "./grant-store.ts";
import { findProject, insertProject, type ProjectRow } from "./project-store.ts";
import type { SinkCatalog } from "./sink-catalog.ts";
import { createStream } from "./stream-service.ts";

/** Names and credentials of the demo. */
export interface Demo {
  readonly project: string;
  readonly stream: string;
  /** Undefined without an embedded database for its table. */
  readonly sink: string | undefined;
  readonly clientId: string;
  /** Undefined when the application existed before: then nobody but its first start knows it. */
  readonly clientSecret: string | undefined;
}

const allOperations = ["api:use-streams-read", "api:use-streams-write", "api:use-streams-manage"];

/**
 * Makes what is missing of the demo: project `demo`, stream `sensors`, sink `postgres` to the table
 * `sensors` of the embedded database, and the application `demo`, which may do everything. What
 * exists is left as it is. A sink whose destination does not answer is made all the same; without an
 * embedded database (`hasSinkDatabase`) there is no sink.
 */
export async function ensureDemo(
  catalog: SinkCatalog,
  { hasSinkDatabase = true }: { readonly hasSinkDatabase?: boolean } = {},
): Promise<Demo> {
  const project = await ensureProject(catalog, "demo", "Demo");
  const stream = `${project.name}/streams/sensors`;
  await unlessExists(() => createStream(catalog, { parent: project.name, ...sensors }));
  const credentials = await ensureApplication(catalog, project, {
    applicationId: "demo",
    displayName: "Demo",
  });
  await putRole(catalog, project, credentials.clientId);
  const sink = hasSinkDatabase ? `${stream}/sinks/postgres` : undefined;
  if (sink) await ensureSensorsTable(catalog, stream);
  return { project: project.name, stream, sink, ...credentials };
}

async function ensureSensorsTable(catalog: SinkCatalog, stream: string): Promise<void> {
  const signal = AbortSignal.timeout(60_000);
  await unlessExists(async () => {
    const request = { parent: stream, ...sensorsTable };
    try {
      await createSink(catalog, request, signal);
    } catch (error) {
      if (reasonOf(error) !== "DESTINATION_REFUSED") throw error;
      catalog.logger.warn("the table of the demo could not be prepared", { error });
      await createSink(catalog, { ...request, skipTest: true }, signal);
    }
  });
}

/**
 * Makes an application with the given credentials that may do everything, in the project `operators`;
 * the first to call an installation without a demo. Other credentials than at the last start replace
 * the application.
 */
export async function ensureOperator(
  catalog: Catalog,
  { clientId, clientSecret }: { readonly clientId: string; readonly clientSecret: string },
): Promise<void> {
  const project = await ensureProject(catalog, "operators", "Operators");
  const name = `${project.name}/applications/operator`;
  await catalog.database.acrossProjects(async (queries) => {
    const row = await lockApplication(queries, name);
    const secrets = row ? await listSecrets(queries, [row.uid], new Date(catalog.now())) : [];
    const { sha256 } = describeSecret(clientSecret);
    const isSame =
      row?.clientId === clientId && secrets.some(({ sha256: kept }) => sha256.equals(kept));
    if (row && !isSame) await deleteApplication(queries, row.uid);
  });
  await ensureApplication(catalog, project, {
    applicationId: "operator",
    displayName: "Operator",
    clientId,
    clientSecret,
  });
  await putRole(catalog, project, clientId);
}

const sensors = {
  streamId: "sensors",
  stream: {
    displayName: "Sensors",
    description: "Readings of sensors, in order for each sensor.",
    schema: {
      fields: [
        { name: "sensor_id", type: Field_Type.STRING, description: "Which sensor" },
        { name: "temperature", type: Field_Type.DOUBLE, description: "Degrees Celsius" },
        { name: "created_at", type: Field_Type.TIMESTAMP, description: "When it was measured" },
      ],
    },
    keyFields: ["sensor_id"],
  },
};

const sensorsTable = {
  sinkId: "postgres",
  sink: {
    displayName: "Postgres",
    description: "The table sensors of the embedded database.",
    config: { case: "postgres" as const, value: { table: "sensors" } },
    start: { at: { case: "position" as const, value: Start_Position.EARLIEST } },
  },
};

/** Another node may make the same at the same time. */
async function unlessExists(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (reasonOf(error) !== "ALREADY_EXISTS") throw error;
  }
}

async function ensureProject(
  catalog: Catalog,
  id: string,
  displayName: string,
): Promise<ProjectRow> {
  const { database } = catalog;
  const name = `projects/${id}`;
  const time = new Date(catalog.now());
  await unlessExists(async () => {
    if (await database.inProject(name, (queries) => findProject(queries, name))) return;
    await database.inProject(name, (queries) =>
      insertProject(queries, {
        uid: catalog.makeUid(),
        name,
        displayName,
        description: "",
        version: 1,
        createTime: time,
        updateTime: time,
      }),
    );
  });
  const row = await database.inProject(name, (queries) => findProject(queries, name));
  if (!row) throw new Error(`${name} was deleted while it was being made`);
  return row;
}

async function ensureApplication(
  catalog: Catalog,
  project: ProjectRow,
  options: {
    readonly applicationId: string;
    readonly displayName: string;
    readonly clientId?: string;
    readonly clientSecret?: string;
  },
): Promise<{ clientId: string; clientSecret: string | undefined }> {
  const { applicationId, displayName, clientId, clientSecret } = options;
  const name = `${project.name}/applications/${applicationId}`;
  const find = () => catalog.database.inProject(name, (queries) => findApplication(queries, name));
  if (!(await find())) {
    const application = create(ApplicationSchema, {
      displayName,
      clientCredentialsEnabled: true,
      operations: allOperations,
    });
    let made: { application: Application; clientSecret: string } | undefined;
    await unlessExists(async () => {
      made = await createApplication(
        catalog,
        { parent: project.name, applicationId, application },
        {
          ...(clientId !== undefined && { clientId }),
          ...(clientSecret !== undefined && { secret: describeSecret(clientSecret) }),
        },
      );
    });
    if (made) return { clientId: made.application.clientId, clientSecret: made.clientSecret };
  }
  const found = await find();
  if (!found) throw new Error(`${name} was deleted while it was being made`);
  return { clientId: found.clientId, clientSecret: undefined };
}

/** OWNER of the project, and OPERATOR of the installation. */
async function putRole(catalog: Catalog, project: ProjectRow, clientId: string): Promise<void> {
  const grant = {
    streamUid: null,
    principalId: clientId,
    version: 1,
    createTime: new Date(catalog.now()),
  };
  await catalog.database.acrossProjects(async (queries) => {
    await putGrant(queries, {
      ...grant,
      uid: catalog.makeUid(),
      projectUid: project.uid,
      resource: project.name,
      role: AccessRule_Role.OWNER,
    });
    await putGrant(queries, {
      ...grant,
      uid: catalog.makeUid(),
      projectUid: null,
      resource: "",
      role: AccessRule_Role.OPERATOR,
    });
  });
  await catalog.refresh();
}
