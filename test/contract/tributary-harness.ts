import { create } from "@bufbuild/protobuf";
import { TributarySinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { sinkDrivers } from "../../src/sinks/index.ts";
import { environment } from "../sinks/sample.ts";
import { createStream, listAll } from "../support/api.ts";
import { startServer, type TestServer } from "../support/server.ts";
import type { SinkHarness } from "./sink-suite.ts";

/** A real server: one that runs already, or one of its own. */
export async function startTributary(
  schema: Schema,
  running?: TestServer,
): Promise<SinkHarness<"tributary">> {
  const server = running ?? (await startServer());
  const stream = await createStream(server, "contract", { fields: { id: "LONG" } });
  const configOf = (changes: object) =>
    create(TributarySinkSchema, {
      url: server.url,
      stream,
      clientId: server.env.CLIENT_ID ?? "",
      clientSecret: server.env.CLIENT_SECRET ?? "",
      ...changes,
    });
  const faulty = (changes: object, field: string) => ({ config: configOf(changes), field });
  return {
    driver: sinkDrivers.tributary,
    config: configOf({}),
    env: environment({ schema }),
    secret: { config: configOf({ clientSecret: "s3cret" }), values: ["s3cret"] },
    faulty: [
      faulty({ url: "ftp://h" }, "url"),
      faulty({ url: "https://u:p@h" }, "url"),
      faulty({ stream: "projects/p" }, "stream"),
      faulty({ branch: "No" }, "branch"),
      faulty({ clientId: "" }, "client_id"),
      faulty({ clientSecret: "" }, "client_secret"),
      faulty({ certificateAuthority: "x" }, "certificate_authority"),
    ],
    refused: '{"id":"not a number"}',
    isExactlyOnce: true,
    arrived: async () => (await listAll(server, stream)).map(({ value }) => Number(value.id)),
    async hang() {
      server.child.kill("SIGSTOP");
      return async () => void server.child.kill("SIGCONT");
    },
    close: async () => {
      if (!running) await server.close();
    },
  };
}
