/** `tributary audit verify`: whether the audit log is as the servers wrote it. */
import { verifyChains } from "../audit/verify-chain.ts";
import { createClosers } from "./closers.ts";
import { openCommandDatabase } from "./command-database.ts";
import type { StartOptions } from "./foundations.ts";

/** Checks all chains, also while servers run: what to print, and whether all of it holds. */
export async function runAuditCommand(
  options: StartOptions,
): Promise<{ readonly text: string; readonly isSound: boolean }> {
  const closers = createClosers(options.logger);
  try {
    const { database } = await openCommandDatabase(options, closers);
    const reports = await verifyChains(database);
    const lines = reports.map(({ chain, events, head, fault }) => {
      const name = chain === "" ? "installation" : `project ${chain}`;
      const verdict = fault ? `TAMPERED: ${fault}` : "sound";
      return `${name}  ${events} events  head ${head || "none"}  ${verdict}\n`;
    });
    return {
      text: lines.join("") || "no events yet\n",
      isSound: reports.every((report) => report.fault === undefined),
    };
  } finally {
    await closers.close();
  }
}
