/** The manifest of a commit: which objects belong to it. Put last, it is what makes them count. */
import { createHash } from "node:crypto";
import type { S3Sink } from "#gen/tributary/management/v1/sink_pb.js";
import type { Place, SinkEnvironment, SinkRequest } from "../sink.ts";
import type { OutgoingObject } from "./client.ts";
import { manifestFolder, rowsName } from "./object-name.ts";

/** An object that was put. */
export interface CommittedObject {
  readonly name: string;
  readonly body: Buffer;
  readonly rows: number;
  readonly first: Place;
  readonly last: Place;
}

/** The manifest as an object. Made of the rows alone, so a repeat is the same to the byte. */
export function manifestOf(
  config: S3Sink,
  env: Pick<SinkEnvironment, "sinkUid" | "logName">,
  { request, objects }: { request: SinkRequest; objects: readonly CommittedObject[] },
): OutgoingObject {
  const content = {
    version: 1,
    log: env.logName,
    sinkUid: env.sinkUid,
    generation: request.generation,
    partition: request.partition,
    replay: request.isReplay,
    rows: objects.reduce((sum, { rows }) => sum + rows, 0),
    objects: objects.map(({ name, body, rows, first, last }) => ({
      name,
      rows,
      bytes: body.length,
      sha256: createHash("sha256").update(body).digest("hex"),
      firstPlace: `${first.sequence}-${first.index}`,
      lastPlace: `${last.sequence}-${last.index}`,
    })),
  };
  const name = rowsName(env.sinkUid, request, request.rows);
  return {
    name: `${manifestFolder(config)}${name}.json`,
    body: Buffer.from(`${JSON.stringify(content, null, 2)}\n`),
    contentType: "application/json",
  };
}
