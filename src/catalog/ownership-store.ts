/** How projects prove that the hosts of their webhooks are their own, in the database. */
import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { eq } from "drizzle-orm";
import {
  type OwnershipSettings,
  OwnershipSettings_Requirement,
  OwnershipSettingsSchema,
} from "#gen/tributary/management/v1/ownership_pb.js";
import { notFound } from "../core/errors.ts";
import { projectOf } from "../core/names.ts";
import type { Queries } from "../db/client.ts";
import { ownershipSettings } from "../db/schema.ts";
import { etagOf } from "./catalog.ts";
import { findProject } from "./project-store.ts";

/** A row of `ownership_settings`. */
export type OwnershipRow = typeof ownershipSettings.$inferSelect;

/** First values of the prefixes. */
export const FIRST_PREFIXES = { hostPrefix: "_tributary", valuePrefix: "tributary=" };

/** Older keys that are still told apart from anything else. */
const OLDER_KEYS_MAX = 10;

/** The settings of the project that `name` lies in, made when there are none, locked until the transaction ends. */
export async function lockOwnership(
  queries: Queries,
  name: string,
  nowMs: number,
): Promise<OwnershipRow> {
  const project = await findProject(queries, projectOf(name) ?? "");
  if (!project) throw notFound(name);
  const time = new Date(nowMs);
  const first: OwnershipRow = {
    projectUid: project.uid,
    requirement: OwnershipSettings_Requirement.PUBLIC_HOSTS,
    ...FIRST_PREFIXES,
    verificationKey: makeKey(),
    olderKeys: [],
    version: 1,
    createTime: time,
    updateTime: time,
    rotateTime: time,
  };
  await queries.insert(ownershipSettings).values(first).onConflictDoNothing();
  const isOwn = eq(ownershipSettings.projectUid, project.uid);
  const [row] = await queries.select().from(ownershipSettings).where(isOwn).for("update");
  return row!;
}

/** Changes a row; gives it as it is then. */
export async function updateOwnership(
  queries: Queries,
  row: OwnershipRow,
  values: Partial<OwnershipRow> & { readonly updateTime: Date },
): Promise<OwnershipRow> {
  const changed = { ...row, ...values, version: row.version + 1 };
  const isOwn = eq(ownershipSettings.projectUid, row.projectUid);
  await queries.update(ownershipSettings).set(changed).where(isOwn);
  return changed;
}

/** What changes with another key. */
export function anotherKey(row: OwnershipRow, time: Date) {
  const olderKeys = [row.verificationKey, ...row.olderKeys].slice(0, OLDER_KEYS_MAX);
  return { verificationKey: makeKey(), olderKeys, rotateTime: time, updateTime: time };
}

/** The settings as callers see them. */
export function ownershipFromRow(name: string, row: OwnershipRow): OwnershipSettings {
  return create(OwnershipSettingsSchema, {
    name,
    requirement: row.requirement,
    hostPrefix: row.hostPrefix,
    valuePrefix: row.valuePrefix,
    verificationKey: row.verificationKey,
    rotateTime: timestampFromDate(row.rotateTime),
    updateTime: timestampFromDate(row.updateTime),
    etag: etagOf({ uid: row.projectUid, version: row.version }),
  });
}

/** 192 bits as URL-safe text, which stands in DNS and in an answer alike. */
function makeKey(): string {
  return randomBytes(24).toString("base64url");
}
