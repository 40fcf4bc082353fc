/** Calls of the REST face, spread over streams. */

import { runLoad } from "./load/run-load.ts";
import { restBody } from "./records.ts";
import type { Rig } from "./rig.ts";

/** What is called, and for how long. */
export interface RestLoad {
  /** Of the streams, as `/v1/…/records`, in turn. */
  readonly paths: readonly string[];
  /** Records of a call. */
  readonly count: number;
  readonly callers: number;
  readonly seconds: number;
  /** Stands before an error that is told. */
  readonly name?: string;
}

/** Measures them; tells of errors. */
export async function measureRest(rig: Rig, load: RestLoad) {
  const { paths, count, callers, seconds, name } = load;
  const { hostname, port } = new URL(rig.server.url);
  const body = Buffer.from(restBody(count)).toString("base64");
  const result = await runLoad(
    {
      protocol: "http1",
      host: hostname,
      port: Number(port),
      path: "",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${await rig.server.token()}`,
      },
      bodies: paths.map((path) => ({ path, body })),
      callers,
      warmUpMs: 1_000,
      measureMs: seconds * 1_000,
    },
    rig.processes,
  );
  if (result.errors > 0) process.stderr.write(`${name ? `${name}: ` : ""}${result.firstError}\n`);
  const callsPerSecond = result.calls / result.seconds;
  return { ...result, callsPerSecond, recordsPerSecond: callsPerSecond * count };
}
