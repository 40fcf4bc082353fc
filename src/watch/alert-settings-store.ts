/** Whom projects tell, in the database. */
import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { eq } from "drizzle-orm";
import { type AlertSettings, AlertSettingsSchema } from "#gen/tributary/management/v1/alert_pb.js";
import { type MasterKey, openSecret, sealSecret } from "../core/envelope.ts";
import type { Queries } from "../db/client.ts";
import { alertSettings } from "../db/schema.ts";

/** A row of `alert_settings`. */
export type AlertSettingsRow = typeof alertSettings.$inferSelect;

/** When LOSS is told at first. */
export const LOSS_WARNING_MS = 24 * 60 * 60_000;

/** The row of a project; what holds before the first change when there is none. */
export async function findAlertSettings(
  queries: Queries,
  projectUid: string,
): Promise<AlertSettingsRow> {
  const isOwn = eq(alertSettings.projectUid, projectUid);
  const [row] = await queries.select().from(alertSettings).where(isOwn);
  return row ?? firstRow(projectUid);
}

/** The row of a project, made when there is none, locked until the transaction ends. */
export async function lockAlertSettings(
  queries: Queries,
  projectUid: string,
): Promise<AlertSettingsRow> {
  await queries.insert(alertSettings).values(firstRow(projectUid)).onConflictDoNothing();
  const isOwn = eq(alertSettings.projectUid, projectUid);
  const [row] = await queries.select().from(alertSettings).where(isOwn).for("update");
  return row!;
}

/** Replaces a row. */
export async function saveAlertSettings(queries: Queries, row: AlertSettingsRow): Promise<void> {
  await queries.update(alertSettings).set(row).where(eq(alertSettings.projectUid, row.projectUid));
}

function firstRow(projectUid: string): AlertSettingsRow {
  return {
    projectUid,
    recipients: [],
    webhookUrl: "",
    sealedSecret: null,
    kinds: [],
    lossWarningMs: LOSS_WARNING_MS,
    version: 0,
    updateTime: new Date(0),
  };
}

/** The settings as callers see them. */
export function settingsFromRow(name: string, row: AlertSettingsRow): AlertSettings {
  return create(AlertSettingsSchema, {
    name,
    recipients: row.recipients,
    webhookUrl: row.webhookUrl,
    kinds: row.kinds,
    lossWarning: durationFromMs(row.lossWarningMs),
    ...(row.version > 0 && { updateTime: timestampFromDate(row.updateTime) }),
    etag: etagOfRow(row),
  });
}

/** The etag of a row. */
export function etagOfRow({ projectUid, version }: AlertSettingsRow): string {
  return `"${projectUid}-alerts-${version}"`;
}

/** Makes a secret of Standard Webhooks; gives it, and what is kept of it. */
export function makeSecret(masterKey: MasterKey, projectUid: string) {
  const secret = `whsec_${randomBytes(32).toString("base64")}`;
  return {
    secret,
    sealedSecret: sealSecret(masterKey, Buffer.from(secret), contextOf(projectUid)),
  };
}

/** The secret of a row; undefined when it has none. */
export function secretOfRow(masterKey: MasterKey, row: AlertSettingsRow): string | undefined {
  if (!row.sealedSecret) return undefined;
  return openSecret(masterKey, row.sealedSecret, contextOf(row.projectUid)).toString();
}

function contextOf(projectUid: string): string {
  return `alert_settings/${projectUid}`;
}
