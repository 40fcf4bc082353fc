import { create } from "@bufbuild/protobuf";
import { NatsSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { sinkDrivers } from "../../src/sinks/index.ts";
import { environment } from "../sinks/sample.ts";
import { startTestNats } from "../support/nats.ts";
import { openNatsStream } from "../support/nats-stream.ts";
import type { SinkHarness } from "./sink-suite.ts";

/** A real nats-server with a stream. */
export async function startNats(schema: Schema): Promise<SinkHarness<"nats">> {
  const server = await startTestNats({ syncInterval: "2m" });
  const stream = await openNatsStream(
    { servers: server.url },
    { name: "CONTRACT", subjects: ["contract.>"], max_msg_size: 100_000 },
  );
  const configOf = (changes: object) =>
    create(NatsSinkSchema, { servers: [server.url], subject: "contract.{id}", ...changes });
  const faulty = (changes: object, field: string) => ({ config: configOf(changes), field });
  const credentials = (name: "token" | "nkeySeed" | "credentialsFile", value: string) => ({
    credentials: { case: name, value },
  });
  return {
    driver: sinkDrivers.nats,
    config: configOf({}),
    env: environment({ schema }),
    secret: {
      config: configOf({
        credentials: { case: "user", value: { user: "u", password: "p4ssword" } },
      }),
      values: ["p4ssword"],
    },
    faulty: [
      faulty({ servers: [] }, "servers"),
      faulty({ servers: ["nats://h", "http://h"] }, "servers[1]"),
      faulty({ servers: ["nats://u:p@h"] }, "servers[0]"),
      faulty({ subject: "a.*" }, "subject"),
      faulty({ subject: "a..b" }, "subject"),
      faulty({ subject: "a.{missing}" }, "subject"),
      faulty({ subject: "$JS.API.{id}" }, "subject"),
      faulty(credentials("token", ""), "token"),
      faulty(credentials("nkeySeed", "x"), "nkey_seed"),
      faulty(credentials("credentialsFile", "x"), "credentials_file"),
    ],
    refused: JSON.stringify({ id: 1, text: "x".repeat(100_000) }),
    isExactlyOnce: true,
    arrived: async () =>
      (await stream.messages()).map(({ data }) => (JSON.parse(data) as { id: number }).id),
    async hang() {
      await server.kill("SIGSTOP");
      return () => server.kill("SIGCONT");
    },
    async close() {
      await stream.close();
      await server.close();
    },
  };
}
