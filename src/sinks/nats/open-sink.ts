import type { NatsSink } from "#gen/tributary/management/v1/sink_pb.js";
import { createProgress } from "../progress.ts";
import type { OpenSink, RequestOutcome, SinkEnvironment } from "../sink.ts";
import { retrySink, SinkFault, timeoutFault } from "../sink-fault.ts";
import { connectNats, type NatsClient } from "./connection.ts";
import { toNatsFault } from "./fault.ts";
import { publishRows } from "./publish-rows.ts";
import { KEY_NAME, parseSubject } from "./subject.ts";

/** Opens a NATS server for delivery; it is connected to by the first request, and again when it was lost. */
export async function openNats(config: NatsSink, env: SinkEnvironment): Promise<OpenSink> {
  const template = parseSubject(config.subject);
  if (typeof template === "string") throw new SinkFault("SUBJECT_INVALID", `subject ${template}`);
  const hasKey = template.names.includes(KEY_NAME);
  const progress = createProgress();
  const pool = createPool(config, env);
  return {
    async write(request, signal): Promise<RequestOutcome> {
      if (signal.aborted)
        return retrySink("TIMEOUT", "nothing was sent in the time of one attempt");
      const outcomes = progress.of(request);
      try {
        const client = await pool.get(signal);
        const publishing = publishRows(outcomes, {
          client,
          request,
          template,
          sinkUid: env.sinkUid,
          isAtMostOnce: config.atMostOnce,
          keyOf: (row) => (hasKey ? env.keyOf?.(row, request.generation) : undefined),
          signal,
        });
        await untilAborted(publishing, signal, () => pool.drop(client));
      } catch (error) {
        const fault = toNatsFault(error, "publishing");
        return retrySink(fault.reason, fault.message);
      }
      progress.end(request);
      return { kind: "rows", outcomes: outcomes.map((outcome) => outcome!) };
    },
    close: () => pool.close(),
  };
}

/** One connection at a time. */
function createPool(config: NatsSink, env: SinkEnvironment) {
  let client: Promise<NatsClient> | undefined;
  let isClosed = false;
  const drop = (lost: NatsClient | undefined) => {
    client = undefined;
    void lost?.close();
  };
  return {
    async get(signal: AbortSignal): Promise<NatsClient> {
      if (isClosed) throw new SinkFault("CLOSED", "the sink is closed");
      const waited = client;
      const known = await waited?.catch(() => undefined);
      if (known && !known.isClosed) return known;
      if (client === waited) client = connectNats(config, env, signal);
      return await client!;
    },
    drop,
    async close() {
      isClosed = true;
      const open = await client?.catch(() => undefined);
      client = undefined;
      await open?.close();
    },
  };
}

/** At the signal the connection is given up, so that nothing of the attempt is sent after it. */
async function untilAborted(work: Promise<void>, signal: AbortSignal, giveUp: () => void) {
  const aborted = Promise.withResolvers<never>();
  const stop = () => {
    giveUp();
    aborted.reject(timeoutFault("publishing"));
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    await Promise.race([work, aborted.promise]);
  } finally {
    work.catch(() => undefined);
    signal.removeEventListener("abort", stop);
  }
}
