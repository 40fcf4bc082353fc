/** Sinks that feed other streams: of the same project, by who may write there, and never in a circle. */
import { and, eq, ne } from "drizzle-orm";
import { AccessRule_Role } from "#gen/tributary/access/v1/access_pb.js";
import type { Sink } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import type { MasterKey } from "../core/envelope.ts";
import { fail, failFields } from "../core/errors.ts";
import { formatName, parseName, projectOf } from "../core/names.ts";
import type { Principal } from "../core/principal.ts";
import type { Queries } from "../db/client.ts";
import { sinks } from "../db/schema.ts";
import { callerRole } from "./caller-role.ts";
import type { Catalog } from "./catalog.ts";
import { readSinks } from "./definition-store.ts";
import { lockProject } from "./project-store.ts";

/**
 * Fails with INVALID_FIELDS for a stream of another project, and with ROLE_MISSING when the caller may
 * not write to the stream that is to be fed. `name` lies in the project of the sink.
 */
export async function requireTarget(
  { database }: Pick<Catalog, "database">,
  name: string,
  sink: Sink | undefined,
  caller: Principal,
): Promise<void> {
  if (sink?.config.case !== "stream") return;
  const { stream } = sink.config.value;
  const project = projectOf(name) ?? "";
  const [, id] = parseName(stream, "stream") ?? [];
  if (id === undefined) return;
  if (projectOf(stream) !== project) {
    const description = `is a stream of another project: only those of ${project} can be fed`;
    throw failFields([{ field: "sink.stream.stream", description }]);
  }
  const role = await database.acrossProjects((queries) => callerRole(queries, caller, stream));
  if (role >= AccessRule_Role.EDITOR) return;
  throw fail("ROLE_MISSING", `you must be EDITOR of ${stream} to feed it`, {
    metadata: { resource: stream, role: "EDITOR" },
  });
}

/**
 * Fails with INVALID_FIELDS when records of the sink would come back to its own branch, through however
 * many sinks. Locks the project, so that two sinks saved at once close no circle.
 */
export async function refuseCircle(
  queries: Queries,
  masterKey: MasterKey,
  { definition, config }: { definition: SinkDefinition; config: Sink["config"] },
): Promise<void> {
  if (config.case !== "stream") return;
  await lockProject(queries, projectOf(definition.streamName) ?? "");
  const others = and(
    eq(sinks.projectUid, definition.projectUid),
    eq(sinks.kind, "stream"),
    ne(sinks.uid, definition.uid),
  );
  const rows = await queries.select({ uid: sinks.uid }).from(sinks).where(others);
  const onSealed = () => undefined;
  const uids = rows.map(({ uid }) => uid);
  const found = uids.length > 0 ? await readSinks(queries, uids, { masterKey, onSealed }) : [];
  const targets = Map.groupBy(found.flatMap(edgesOf), ([from]) => from);
  const home = branchName(definition.streamName, definition.log.branch);
  const first = branchName(config.value.stream, config.value.branch);
  const way = wayTo(home, first, targets);
  if (!way) return;
  const description = `closes a circle: ${[home, ...way].join(" → ")}`;
  throw failFields([{ field: "sink.stream.stream", description }]);
}

type Edge = readonly [from: string, to: string];

function edgesOf({ streamName, log, versions }: SinkDefinition): Edge[] {
  const from = branchName(streamName, log.branch);
  // Records that wait may still go where an older version says.
  return versions.flatMap(({ sink: { config } }) =>
    config.case === "stream"
      ? [[from, branchName(config.value.stream, config.value.branch)] as const]
      : [],
  );
}

/** The branches from `at` to `home`, both included; undefined when no sink leads there. */
function wayTo(
  home: string,
  at: string,
  targets: ReadonlyMap<string, readonly Edge[]>,
): string[] | undefined {
  const before = new Map<string, string | undefined>([[at, undefined]]);
  const open = [at];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next === home) {
      const way: string[] = [];
      for (let step: string | undefined = next; step; step = before.get(step)) way.unshift(step);
      return way;
    }
    for (const [, to] of targets.get(next) ?? []) {
      if (before.has(to)) continue;
      before.set(to, next);
      open.push(to);
    }
  }
  return undefined;
}

function branchName(stream: string, branch: string): string {
  return formatName("branch", ...(parseName(stream, "stream") ?? []), branch || "main");
}
