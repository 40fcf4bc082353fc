/** The rpcs of ProjectService about the proof that hosts of webhooks are a project's own. */
import type { ServiceImpl } from "@connectrpc/connect";
import {
  OwnershipSettings_Requirement,
  OwnershipSettingsSchema,
} from "#gen/tributary/management/v1/ownership_pb.js";
import type {
  ProjectService,
  UpdateOwnershipSettingsRequest,
} from "#gen/tributary/management/v1/project_service_pb.js";
import { notFound } from "../core/errors.ts";
import { applyFieldMask } from "../core/field-mask.ts";
import { parseName } from "../core/names.ts";
import { type Catalog, checkEtag } from "./catalog.ts";
import {
  anotherKey,
  FIRST_PREFIXES,
  lockOwnership,
  type OwnershipRow,
  ownershipFromRow,
  updateOwnership,
} from "./ownership-store.ts";

type Methods = Pick<
  ServiceImpl<typeof ProjectService>,
  "getOwnershipSettings" | "updateOwnershipSettings" | "rotateVerificationKey"
>;

const writable = ["requirement", "host_prefix", "value_prefix"];

/** Each fails with RESOURCE_NOT_FOUND; the update with ETAG_STALE and INVALID_FIELDS as well. */
export function createOwnershipMethods(catalog: Catalog): Methods {
  const { database, now } = catalog;
  const change = (
    name: string,
    how?: (row: OwnershipRow) => Partial<OwnershipRow> & { readonly updateTime: Date },
  ) => {
    const project = name.replace(/\/ownershipSettings$/, "");
    if (project === name || !parseName(project, "project")) throw notFound(name);
    return database.inProject(name, async (queries) => {
      const row = await lockOwnership(queries, name, now());
      const saved = how ? await updateOwnership(queries, row, how(row)) : row;
      return { settings: ownershipFromRow(name, saved) };
    });
  };
  return {
    getOwnershipSettings: async ({ name }) => change(name),
    updateOwnershipSettings: async (request) =>
      change(request.settings?.name ?? "", (row) => changesOf(request, row, new Date(now()))),
    rotateVerificationKey: async ({ name }) =>
      change(name, (row) => anotherKey(row, new Date(now()))),
  };
}

function changesOf(
  { settings: changed, updateMask: mask }: UpdateOwnershipSettingsRequest,
  row: OwnershipRow,
  updateTime: Date,
) {
  const name = changed?.name ?? "";
  if (!changed) throw notFound(name);
  checkEtag(changed.etag, { uid: row.projectUid, version: row.version, name });
  const current = ownershipFromRow(name, row);
  const wanted = applyFieldMask(OwnershipSettingsSchema, { current, changed, mask, writable });
  return {
    requirement: wanted.requirement || OwnershipSettings_Requirement.PUBLIC_HOSTS,
    hostPrefix: wanted.hostPrefix || FIRST_PREFIXES.hostPrefix,
    valuePrefix: wanted.valuePrefix || FIRST_PREFIXES.valuePrefix,
    updateTime,
  };
}
