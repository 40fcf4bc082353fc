/** The proof that the host of a webhook is its project's own, before the webhook is saved. */
import { OwnershipSettings_Requirement as Requirement } from "#gen/tributary/management/v1/ownership_pb.js";
import type { Sink } from "#gen/tributary/management/v1/sink_pb.js";
import { fail } from "../core/errors.ts";
import type { TestStageResult } from "../sinks/sink.ts";
import { findOwnership, isPublicHost, type OwnershipProof } from "../sinks/webhook/ownership.ts";
import { lockOwnership } from "./ownership-store.ts";
import type { SinkCatalog, SinkIdentity } from "./sink-catalog.ts";

interface Asked {
  readonly identity: SinkIdentity;
  readonly signal: AbortSignal;
}

/** Fails with OWNERSHIP_UNPROVEN when the project asks for a proof and neither way gives one. */
export async function requireOwnership(
  catalog: SinkCatalog,
  config: Sink["config"],
  asked: Asked,
): Promise<void> {
  const found = await ownershipOf(catalog, config, asked);
  if (!found || found.dns.isOk || found.http.isOk) return;
  const { dns, http } = found;
  throw fail(
    "OWNERSHIP_UNPROVEN",
    `nothing shows that the host is yours, and nothing was saved. ${describe(found)}`,
    { metadata: { dns: dns.message, http: http.message } },
  );
}

/** The same as a stage of a test of the destination, with what both ways see. */
export async function testOwnership(
  catalog: SinkCatalog,
  config: Sink["config"],
  asked: Asked,
): Promise<readonly TestStageResult[]> {
  const start = performance.now();
  if (config.case !== "webhook") return [];
  const found = await ownershipOf(catalog, config, asked);
  const isOk = !found || found.dns.isOk || found.http.isOk;
  const message = found ? describe(found) : "no proof is needed for this host";
  return [{ name: "ownership", isOk, message, durationMs: performance.now() - start }];
}

function describe({ dns, http }: OwnershipProof): string {
  return `DNS: ${dns.message}. HTTP: ${http.message}`;
}

/** What both ways see; undefined where no proof is needed. */
async function ownershipOf(
  catalog: SinkCatalog,
  config: Sink["config"],
  { identity, signal }: Asked,
): Promise<OwnershipProof | undefined> {
  if (config.case !== "webhook") return undefined;
  const row = await catalog.database.inProject(identity.sinkName, (queries) =>
    lockOwnership(queries, identity.sinkName, catalog.now()),
  );
  const policy = catalog.environmentOf(identity);
  const isRequired =
    row.requirement === Requirement.ALL_HOSTS ||
    (row.requirement !== Requirement.OFF && (await isPublicHost(config.value, policy)));
  if (!isRequired) return undefined;
  const { verificationKey: key, olderKeys, hostPrefix, valuePrefix } = row;
  const claim = { key, olderKeys, hostPrefix, valuePrefix };
  return await findOwnership(config.value, claim, { policy, signal });
}
