/** The invitation of the address that the console was opened with. */

const PREFIX = "#invitation=";
let token = readToken();

/** The token; empty when there is none. */
export function invitationToken(): string {
  return token;
}

/** Forgets it, once it is used. */
export function forgetInvitation(): void {
  token = "";
}

/** Takes it out of the address bar and the history at once: whoever has it can use it. */
function readToken(): string {
  if (!location.hash.startsWith(PREFIX)) return "";
  const found = location.hash.slice(PREFIX.length);
  history.replaceState(null, "", location.pathname);
  return found;
}
