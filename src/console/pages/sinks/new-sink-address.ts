/** Where the form of a new sink stands, with the branch that it begins with. */
import { branchQuery, type LogPlace, MAIN } from "../../api/log-place.ts";

/** The tiles, or the form of one kind. */
export function newSinkAt({ stream, branch }: LogPlace, kind?: string): string {
  return `/${stream}/sinks/new${kind ? `/${kind}` : ""}${branchQuery(branch)}`;
}

/** The branch that such an address names. */
export function branchOfAddress(search: string): string {
  return new URLSearchParams(search).get("branch") || MAIN;
}
