/** Roles in words. */
import { AccessRule_Role as Role } from "#gen/tributary/access/v1/access_pb.js";

const NAMES: Partial<Record<Role, string>> = {
  [Role.VIEWER]: "Viewer",
  [Role.EDITOR]: "Editor",
  [Role.OWNER]: "Owner",
  [Role.OPERATOR]: "Operator",
};

/** A role as a word. */
export function roleName(role: Role | undefined): string {
  return (role !== undefined && NAMES[role]) || "no role";
}

/** The roles that can be given, the least first. */
export const ROLE_CHOICES: readonly (readonly [Role, string])[] = [
  [Role.VIEWER, "Viewer: reads records and settings"],
  [Role.EDITOR, "Editor: also pushes and changes"],
  [Role.OWNER, "Owner: also shares and deletes"],
];
