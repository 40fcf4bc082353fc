/** A DNS server in a process of its own. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { DnsRecords } from "./dns-process.ts";

/** The server. */
export interface DnsServer {
  /** `127.0.0.1:<port>`. */
  readonly address: string;
  /** Answers these records from now on, and NXDOMAIN to all else. */
  set(records: DnsRecords): Promise<void>;
  close(): Promise<void>;
}

/** Starts it on a free port; it knows no name yet. */
export async function startDnsServer(): Promise<DnsServer> {
  const child = fork(join(import.meta.dirname, "dns-process.ts"), { execPath: process.execPath });
  const [port] = (await once(child, "message")) as [number];
  return {
    address: `127.0.0.1:${port}`,
    async set(records) {
      const isSet = once(child, "message");
      child.send(records);
      await isSet;
    },
    async close() {
      if (child.exitCode !== null) return;
      const exit = once(child, "exit");
      child.disconnect();
      await exit;
    },
  };
}
