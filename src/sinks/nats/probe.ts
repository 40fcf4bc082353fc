import type { NatsSink } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkEnvironment, TestStageResult } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import { runStages } from "../stages.ts";
import { connectNats, type NatsClient } from "./connection.ts";
import { OTHER_STREAM } from "./fault.ts";
import { parseSubject, type SubjectTemplate } from "./subject.ts";

/** Tries a NATS server: the connection, and whether a stream takes the subject. Stores nothing. */
export async function testNats(
  config: NatsSink,
  env: SinkEnvironment,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly TestStageResult[]> {
  let client: NatsClient | undefined;
  let template: SubjectTemplate | undefined;
  try {
    return await runStages({
      parse: async () => {
        const parsed = parseSubject(config.subject);
        if (typeof parsed === "string") throw new SinkFault("SUBJECT_INVALID", parsed);
        template = parsed;
        const isTls = config.servers.every((server) => server.startsWith("tls://"));
        return isTls
          ? "addresses and subject are well formed"
          : "nats:// is not encrypted, use tls://";
      },
      connect: async () => {
        client = await connectNats(config, env, signal);
        return `the server lets us in and takes messages of up to ${client.payloadMax} bytes`;
      },
      write: () => writeTest(client!, template!, config),
    });
  } finally {
    await client?.close();
  }
}

async function writeTest(client: NatsClient, { texts }: SubjectTemplate, config: NatsSink) {
  const subject = texts.join("tributary-test");
  if (config.atMostOnce) {
    return `messages to ${subject} go to whoever listens; that was not tried, and nothing confirms it`;
  }
  // A stream refuses a message that names another one, and stores nothing of it.
  const headers = { "Nats-Expected-Stream": `tributary-test-${Date.now()}` };
  const { error } = await client
    .publish({ subject, data: Buffer.from("{}"), headers })
    .catch((fault: SinkFault) => {
      if (fault.reason !== "DESTINATION_MISSING") throw fault;
      throw new SinkFault(fault.reason, fault.message, { remedy: streamRemedy(texts) });
    });
  if (error?.err_code === OTHER_STREAM) return `a stream takes ${subject}; nothing was stored`;
  throw new SinkFault("REFUSED", `${subject} was answered by ${error?.description ?? "no stream"}`);
}

function streamRemedy(texts: readonly string[]): string {
  return `nats stream add RECORDS --subjects "${texts.join("*")}" --storage file --dupe-window 2m`;
}
