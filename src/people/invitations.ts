/** Inviting people to projects: made, listed and taken back by OWNERs. */

import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { HandlerContext } from "@connectrpc/connect";
import { AccessRule_Role } from "#gen/tributary/access/v1/access_pb.js";
import { InvitationSchema } from "#gen/tributary/management/v1/account_pb.js";
import type {
  CreateInvitationRequest,
  DeleteInvitationRequest,
  ListInvitationsRequest,
} from "#gen/tributary/management/v1/account_service_pb.js";
import { callerOf } from "../catalog/catalog.ts";
import { cursorOf } from "../catalog/newest-first.ts";
import { normalEmail } from "../catalog/principal-store.ts";
import { findProject, type ProjectRow } from "../catalog/project-store.ts";
import { failFields, notFound } from "../core/errors.ts";
import { parseName } from "../core/names.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import type { Queries } from "../db/client.ts";
import {
  deleteInvitation,
  type InvitationRow,
  insertInvitation,
  listInvitations,
  type ProjectInvitation,
} from "./invitation-store.ts";
import type { People } from "./people.ts";
import { sha256Of } from "./session-token.ts";

const VALID_MS = 7 * 24 * 60 * 60 * 1000;

/** Makes an invitation; its link is in the answer and nowhere else. */
export async function createInvitation(
  people: People,
  { parent, invitation }: CreateInvitationRequest,
  context: HandlerContext,
) {
  const { database, makeUid, now } = people.catalog;
  const { email = "", role = 0 } = invitation ?? {};
  if (role < AccessRule_Role.VIEWER || role > AccessRule_Role.OWNER) {
    const description = "must be VIEWER, EDITOR or OWNER";
    throw failFields([{ field: "invitation.role", description }]);
  }
  const token = randomBytes(32).toString("base64url");
  const made = await database.inProject(parent, async (queries) => {
    const project = await projectOf(queries, parent);
    const row: InvitationRow = {
      uid: makeUid(),
      projectUid: project.uid,
      email: normalEmail(email),
      role,
      sha256: sha256Of(token),
      creatorId: callerOf(context).id,
      createTime: new Date(now()),
      expireTime: new Date(now() + VALID_MS),
    };
    await insertInvitation(queries, row);
    return { invitation: row, project };
  });
  // Behind the hash: browsers do not send that part, so it is in no log of a server or proxy.
  const link = `${people.publicUrl()}/#invitation=${token}`;
  const mailed = await mail(people, made, link);
  return { invitation: invitationFrom(made), link, mailed };
}

/** Mails the link; when that fails the invitation is good all the same, and the link in the answer. */
async function mail(
  { mailer, catalog }: People,
  { invitation, project }: ProjectInvitation,
  link: string,
): Promise<boolean> {
  if (!mailer.isConfigured) return false;
  try {
    await mailer.send({
      to: invitation.email,
      subject: `Invitation to ${project.displayName}`,
      text: `You are invited to the project ${project.displayName}. Open this link within 7 days to join:\n\n${link}\n`,
    });
    return true;
  } catch (error) {
    catalog.logger.warn("an invitation could not be mailed", { project: project.name, error });
    return false;
  }
}

/** The open invitations of a project. */
export async function listProjectInvitations({ catalog }: People, request: ListInvitationsRequest) {
  const page = readPageRequest(`invitations to ${request.parent}`, request);
  const { project, rows } = await catalog.database.inProject(request.parent, async (queries) => {
    const found = await projectOf(queries, request.parent);
    const now = new Date(catalog.now());
    return { project: found, rows: await listInvitations(queries, found.uid, { page, now }) };
  });
  const { rows: shown, nextPageToken } = makePage(page, rows, cursorOf);
  return {
    invitations: shown.map((invitation) => invitationFrom({ invitation, project })),
    nextPageToken,
  };
}

/** Takes an invitation back. */
export async function removeInvitation(
  { catalog }: People,
  { name }: DeleteInvitationRequest,
): Promise<void> {
  const [project = "", uid = ""] = parseName(name, "projectInvitation") ?? [];
  await catalog.database.inProject(name, async (queries) => {
    const { uid: projectUid } = await projectOf(queries, `projects/${project}`);
    if (!(await deleteInvitation(queries, projectUid, uid))) throw notFound(name);
  });
}

async function projectOf(queries: Queries, name: string): Promise<ProjectRow> {
  const project = await findProject(queries, name);
  if (!project) throw notFound(name);
  return project;
}

/** The invitation as callers see it. */
export function invitationFrom({ invitation, project }: ProjectInvitation) {
  return create(InvitationSchema, {
    name: `${project.name}/invitations/${invitation.uid}`,
    email: invitation.email,
    role: invitation.role,
    createTime: timestampFromDate(invitation.createTime),
    expireTime: timestampFromDate(invitation.expireTime),
    projectDisplayName: project.displayName,
  });
}
