/** Which log of a stream a page is about, and where that page stands. */

/** The branch that a stream has from the start. */
export const MAIN = "main";

/** A branch of a stream. */
export interface LogPlace {
  /** Name of the stream. */
  readonly stream: string;
  /** Id of the branch. */
  readonly branch: string;
}

/** Address of the pages of a branch; those of `main` are the stream's own. */
export function addressOf({ stream, branch }: LogPlace): string {
  return branch === MAIN ? `/${stream}` : `/${stream}/branches/${branch}`;
}

/** What an address of the API says of the branch; nothing for `main`. */
export function branchQuery(branch: string): string {
  return branch === MAIN ? "" : `?branch=${encodeURIComponent(branch)}`;
}

/** Whether something that names a branch belongs to this one; no name means `main`. */
export function isOfBranch(named: string, branch: string): boolean {
  return (named || MAIN) === branch;
}
