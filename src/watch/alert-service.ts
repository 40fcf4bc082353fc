/** AlertService: whom a project tells, and what there was to tell. */

import { durationMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { type AlertSettings, AlertSettingsSchema } from "#gen/tributary/management/v1/alert_pb.js";
import type {
  AlertService,
  ListAlertsRequest,
  UpdateAlertSettingsRequest,
} from "#gen/tributary/management/v1/alert_service_pb.js";
import type { Definitions } from "../core/definitions.ts";
import { fail, failFields, notFound } from "../core/errors.ts";
import { applyFieldMask } from "../core/field-mask.ts";
import { parseName } from "../core/names.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import {
  etagOfRow,
  findAlertSettings,
  LOSS_WARNING_MS,
  lockAlertSettings,
  makeSecret,
  saveAlertSettings,
  settingsFromRow,
} from "./alert-settings-store.ts";
import { alertFromRow, listAlertRows } from "./alert-store.ts";
import { callWebhook, sendMails, type TellerParts } from "./alert-teller.ts";

/** What the service needs. */
export interface AlertServiceParts extends TellerParts {
  readonly definitions: Pick<Definitions, "project">;
  readonly makeUid: () => string;
  /** Whether a host may be asked; rejects with a SinkFault when not. */
  readonly checkHost: (host: string) => Promise<unknown>;
}

const WRITABLE = ["recipients", "webhook_url", "kinds", "loss_warning"];

/** The rpcs of AlertService. */
export function createAlertService(parts: AlertServiceParts): ServiceImpl<typeof AlertService> {
  return {
    getAlertSettings: async ({ name }) => {
      const { uid, name: project } = findProject(parts, name);
      const row = await parts.database.inProject(project, (queries) =>
        findAlertSettings(queries, uid),
      );
      return { settings: settingsFromRow(name, row) };
    },
    updateAlertSettings: (request) => update(parts, request),
    testAlerts: ({ name }) => sendTest(parts, name),
    listAlerts: (request) => list(parts, request),
  };
}

/** The project of `projects/{p}/alertSettings`. Fails with RESOURCE_NOT_FOUND. */
function findProject({ definitions }: AlertServiceParts, name: string) {
  const project = name.replace(/\/alertSettings$/, "");
  const found = project !== name && parseName(project, "project") && definitions.project(project);
  if (!found) throw notFound(name);
  return found;
}

async function update(
  parts: AlertServiceParts,
  { settings, updateMask: mask }: UpdateAlertSettingsRequest,
) {
  const changed = settings!;
  const { uid, name: project } = findProject(parts, changed.name);
  await checkUrl(parts, changed.webhookUrl);
  return await parts.database.inProject(project, async (queries) => {
    const row = await lockAlertSettings(queries, uid);
    if (changed.etag !== "" && changed.etag !== etagOfRow(row)) {
      throw fail("ETAG_STALE", `${changed.name} was changed meanwhile: get it and try again`);
    }
    const current = settingsFromRow(changed.name, row);
    const wanted = applyFieldMask(AlertSettingsSchema, {
      current,
      changed,
      mask,
      writable: WRITABLE,
    });
    const isNew = wanted.webhookUrl !== "" && wanted.webhookUrl !== row.webhookUrl;
    const made = isNew ? makeSecret(parts.masterKey, uid) : undefined;
    const saved = {
      ...row,
      ...valuesOf(wanted),
      sealedSecret: made?.sealedSecret ?? (wanted.webhookUrl === "" ? null : row.sealedSecret),
      version: row.version + 1,
      updateTime: new Date(parts.now()),
    };
    await saveAlertSettings(queries, saved);
    return {
      settings: settingsFromRow(changed.name, saved),
      signingSecret: made?.secret ?? "",
    };
  });
}

function valuesOf({ recipients, webhookUrl, kinds, lossWarning }: AlertSettings) {
  const lossWarningMs = lossWarning ? durationMs(lossWarning) : LOSS_WARNING_MS;
  return { recipients, webhookUrl, kinds, lossWarningMs };
}

/** Fails with INVALID_FIELDS. */
async function checkUrl({ checkHost }: AlertServiceParts, text: string): Promise<void> {
  if (text === "") return;
  const refuse = (description: string) =>
    failFields([{ field: "settings.webhook_url", description }]);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) throw refuse("must begin with https://");
  if (url.username || url.password) {
    throw refuse("must not hold a user or password: the signature proves who sends");
  }
  try {
    await checkHost(url.hostname.replace(/^\[|\]$/g, ""));
  } catch (error) {
    throw refuse((error as Error).message);
  }
}

async function sendTest(parts: AlertServiceParts, name: string) {
  const { uid: projectUid, name: project } = findProject(parts, name);
  const row = await parts.database.inProject(project, (queries) =>
    findAlertSettings(queries, projectUid),
  );
  const told = {
    uid: parts.makeUid(),
    sinkName: project,
    kind: 0,
    reason: "TEST",
    message: "this is a test: nothing is wrong.",
    createTime: new Date(parts.now()),
  };
  const { mailCount, mailError } = await sendMails(parts, row, told);
  const answer = row.webhookUrl === "" ? undefined : await callWebhook(parts, row, told);
  return {
    mailCount,
    mailError,
    webhookStatus: answer?.status ?? 0,
    webhookError: answer?.error ?? "",
  };
}

async function list({ database, definitions }: AlertServiceParts, request: ListAlertsRequest) {
  const { parent, resource, open: isOpen } = request;
  const project = parseName(parent, "project") && definitions.project(parent);
  if (!project) throw notFound(parent);
  const page = readPageRequest(`alerts of ${parent} ${resource} ${isOpen}`, request);
  const rows = await database.inProject(parent, (queries) =>
    listAlertRows(queries, project.uid, { page, resource, isOpen }),
  );
  const { rows: shown, nextPageToken } = makePage(page, rows, (row) => ({
    timeMs: row.createTime.getTime(),
    uid: row.uid,
  }));
  return { alerts: shown.map(alertFromRow), nextPageToken };
}
