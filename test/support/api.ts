/** Calls of the management and data plane in Connect's JSON form, as tests need them. */
import { noteSecrets } from "./secret-watch.ts";
import type { Target } from "./server.ts";

/** A refused call, with what its body says. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly code: string;
  readonly reason: string;
  /** The body's own text. */
  readonly text: string;

  constructor(method: string, status: number, body: ErrorBody) {
    super(`${method}: ${status} ${JSON.stringify(body)}`);
    this.status = status;
    this.code = body.code ?? "";
    this.reason = reasonIn(body);
    this.text = body.message ?? "";
  }
}

/** The JSON body of an error. */
export interface ErrorBody {
  code?: string;
  message?: string;
  details?: { type?: string; debug?: Record<string, unknown> }[];
}

/** The ErrorInfo reason in an error body; empty when there is none. */
export function reasonIn(body: ErrorBody): string {
  const info = body.details?.find((d) => d.type === "google.rpc.ErrorInfo");
  return String(info?.debug?.reason ?? "");
}

/** Field violations in an error body. */
export function violationsIn(body: ErrorBody): { field: string; description: string }[] {
  const bad = body.details?.find((d) => d.type === "google.rpc.BadRequest");
  return (bad?.debug?.fieldViolations ?? []) as { field: string; description: string }[];
}

/** Calls `management.v1.StreamService/CreateStream` and the like; throws an ApiError. */
export async function call<T = Record<string, unknown>>(
  target: Target,
  method: string,
  request: unknown,
): Promise<T> {
  const answer = await fetch(`${target.url}/tributary.${method}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${await target.token()}`,
    },
    body: JSON.stringify(request),
    signal: AbortSignal.timeout(20_000),
  });
  const body = (await answer.json()) as T & ErrorBody;
  noteSecrets(request);
  noteSecrets(body);
  if (!answer.ok) throw new ApiError(method, answer.status, body);
  return body;
}

/** A schema from `{sensor_id: "STRING", note: "STRING?"}`; a question mark says nullable. */
export function schemaOf(fields: Record<string, string>): {
  fields: { name: string; type: string; nullable: boolean }[];
} {
  return {
    fields: Object.entries(fields).map(([name, type]) => ({
      name,
      type: type.replace("?", ""),
      nullable: type.endsWith("?"),
    })),
  };
}

/** What a test says of a stream. */
export interface StreamInput {
  fields: Record<string, string>;
  keyFields?: string[];
  throughput?: "NORMAL" | "HIGH" | "MAX";
  project?: string;
  retention?: { age?: string; bytes?: string };
  archive?: Record<string, unknown>;
}

/** Makes a stream and returns its name. */
export async function createStream(
  target: Target,
  streamId: string,
  input: StreamInput,
): Promise<string> {
  const { stream } = await call<{ stream: { name: string } }>(
    target,
    "management.v1.StreamService/CreateStream",
    {
      parent: input.project ?? "projects/demo",
      streamId,
      stream: {
        schema: schemaOf(input.fields),
        keyFields: input.keyFields ?? [],
        throughput: input.throughput ?? "NORMAL",
        ...(input.retention && { retention: input.retention }),
        ...(input.archive && { archive: input.archive }),
      },
    },
  );
  return stream.name;
}

/** A sink as the API answers it, as far as tests read it. */
export interface SinkView {
  name: string;
  uid: string;
  etag: string;
  webhook?: { url: string; signingSecret?: string; headers?: Record<string, string> };
  status?: {
    state?: string;
    cause?: string;
    reason?: string;
    nextAttemptTime?: string;
    settledSequence?: string;
    endSequence?: string;
    counts?: Record<string, string>;
  };
}

/** Makes a sink: `{postgres: {…}}` or `{webhook: {…}}` and what else a sink has. */
export async function createSink(
  target: Target,
  stream: string,
  { id, ...sink }: { id: string } & Record<string, unknown>,
): Promise<SinkView> {
  const answer = await call<{ sink: SinkView }>(target, "management.v1.SinkService/CreateSink", {
    parent: stream,
    sinkId: id,
    sink,
  });
  return answer.sink;
}

/** Reads a sink. */
export async function getSink(target: Target, name: string): Promise<SinkView> {
  const answer = await call<{ sink: SinkView }>(target, "management.v1.SinkService/GetSink", {
    name,
  });
  return answer.sink;
}

/** Counts of a sink as numbers, zero where the answer leaves them out. */
export async function countsOf(target: Target, name: string): Promise<Record<string, number>> {
  const { status } = await getSink(target, name);
  const names = ["delivered", "filtered", "held", "discarded", "expired", "pending", "pushed"];
  return Object.fromEntries(names.map((n) => [n, Number(status?.counts?.[n] ?? 0)]));
}

/** Pushes records by the REST face; gives the response for the caller to judge. */
export async function push(
  target: Target,
  stream: string,
  records: readonly unknown[],
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${target.url}/v1/${stream}/records`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${await target.token()}`,
      ...headers,
    },
    body: JSON.stringify(records.map((value) => ({ value }))),
    signal: AbortSignal.timeout(30_000),
  });
}

/** A record of ListRecords, as far as tests read it. */
export interface RecordView {
  id: string;
  place: string;
  sequence: string;
  partition?: number;
  generation?: string;
  arrivalTime: string;
  value: Record<string, unknown>;
  producerId?: string;
}

/** All stored records that fit, page by page. */
export async function listAll(
  target: Target,
  stream: string,
  request: Record<string, unknown> = {},
): Promise<RecordView[]> {
  const records: RecordView[] = [];
  let pageToken = "";
  do {
    const page = await call<{ records?: RecordView[]; nextPageToken?: string }>(
      target,
      "records.v1.RecordService/ListRecords",
      { stream, pageSize: 1000, ...request, pageToken },
    );
    records.push(...(page.records ?? []));
    pageToken = page.nextPageToken ?? "";
  } while (pageToken !== "");
  return records;
}

/** An application with a secret, and a target that calls as it. */
export async function createApplication(
  target: Target,
  applicationId: string,
  operations: readonly string[] = ["api:use-streams-read", "api:use-streams-write"],
  project = "projects/demo",
): Promise<{ name: string; clientId: string; clientSecret: string }> {
  const answer = await call<{
    application: { name: string; clientId: string };
    clientSecret: string;
  }>(target, "management.v1.ApplicationService/CreateApplication", {
    parent: project,
    applicationId,
    application: { displayName: applicationId, clientCredentialsEnabled: true, operations },
  });
  return { ...answer.application, clientSecret: answer.clientSecret };
}

/** Gives a role and returns the grant's name. */
export async function createGrant(
  target: Target,
  parent: string,
  grant: { clientId: string; role: "VIEWER" | "EDITOR" | "OWNER" },
): Promise<string> {
  const answer = await call<{ grant: { name: string } }>(
    target,
    "management.v1.AccessService/CreateGrant",
    { parent, grant },
  );
  return answer.grant.name;
}
