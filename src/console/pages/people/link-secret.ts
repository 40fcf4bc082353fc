/** The secret of the address that the console was opened with: of an invitation, or of a new password. */

/** What links are for. */
export type LinkKind = "invitation" | "reset";

let link = readLink();

/** The secret of a link of this kind; empty when the console was opened by no such link. */
export function linkSecret(kind: LinkKind): string {
  return link?.kind === kind ? link.secret : "";
}

/** Forgets it, once it is used. */
export function forgetLink(): void {
  link = undefined;
}

/** Takes it out of the address bar and the history at once: whoever has it can use it. */
function readLink(): { readonly kind: LinkKind; readonly secret: string } | undefined {
  const [, kind, secret = ""] = /^#(invitation|reset)=(.+)$/.exec(location.hash) ?? [];
  if (kind !== "invitation" && kind !== "reset") return undefined;
  history.replaceState(null, "", location.pathname);
  return { kind, secret };
}
