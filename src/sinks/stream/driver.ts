import { clone } from "@bufbuild/protobuf";
import { type StreamSink, StreamSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { reasonOf, retryAfterMsOf } from "../../core/errors.ts";
import { ID_PATTERN, parseName } from "../../core/names.ts";
import type { OpenSink, RequestOutcome, SinkDriver, SinkEnvironment } from "../sink.ts";
import { retryRequest, retrySink, SinkFault } from "../sink-fault.ts";
import { runStages } from "../stages.ts";

/** Another stream of the project; a repeat within the window of idempotency stores nothing. */
export const streamDriver: SinkDriver<"stream"> = {
  defaults: { count: 1000, bytes: 1024 * 1024, timeMs: 0 },
  countMax: 10_000,
  keepsCursor: false,
  // Keys of the other stream may differ, so only requests one after the other keep their order.
  concurrency: 1,
  check({ stream, branch }) {
    const violations = [];
    if (!parseName(stream, "stream")) {
      violations.push({ field: "stream", description: "is not projects/{p}/streams/{s}" });
    }
    if (branch !== "" && !ID_PATTERN.test(branch)) {
      violations.push({ field: "branch", description: "is not an id such as main" });
    }
    return violations;
  },
  open: async (config, env) => openStream(config, env),
  test: (config, env) =>
    runStages({
      write: async () => {
        try {
          await feedOf(env).check(config.stream, config.branch || "main");
        } catch (error) {
          throw new SinkFault(reasonOf(error) ?? "INTERNAL", textOf(error), { cause: error });
        }
        return "the stream takes records";
      },
    }),
  mask: (config) => clone(StreamSinkSchema, config),
  keepSecrets: (config) => clone(StreamSinkSchema, config),
};

function openStream(config: StreamSink, env: SinkEnvironment): OpenSink {
  const feed = feedOf(env);
  const { stream, sinkUid } = { ...config, sinkUid: env.sinkUid };
  const branch = config.branch || "main";
  return {
    async write({ id, rows }, signal): Promise<RequestOutcome> {
      if (signal.aborted) return retrySink("TIMEOUT", "the request was given up");
      try {
        await feed.push({ stream, branch, sinkUid, idempotencyKey: id, rows });
        return { kind: "rows", outcomes: rows.map(() => ({ kind: "delivered" })) };
      } catch (error) {
        return outcomeOf(error, rows.length);
      }
    },
    close: async () => undefined,
  };
}

/** Faults of the records are halved until one is left; all others wait for the stream. */
function outcomeOf(error: unknown, rows: number): RequestOutcome {
  const reason = reasonOf(error) ?? "INTERNAL";
  const why = textOf(error);
  switch (reason) {
    case "RECORD_INVALID":
    case "INVALID_JSON":
    case "INVALID_FIELDS":
    case "TOO_LARGE":
      if (rows > 1) return retryRequest(reason, why);
      return { kind: "rows", outcomes: [{ kind: "reject", reason, why }] };
    case "QUOTA_EXCEEDED":
    case "STREAM_FULL":
    case "OVERLOADED": {
      const afterMs = retryAfterMsOf(error);
      const wish = afterMs === undefined ? {} : { afterMs };
      return { kind: "retry", scope: "sink", reason, why, burnsAttempt: false, ...wish };
    }
    default:
      return retrySink(reason, why);
  }
}

function feedOf(env: SinkEnvironment) {
  if (env.feed) return env.feed;
  throw new SinkFault("FEED_MISSING", "this server has no way into streams");
}

/** Texts of refusals name fields and reasons; of any other error nothing is shown. */
function textOf(error: unknown): string {
  if (reasonOf(error) === undefined) return "the stream could not be written";
  return (error as { rawMessage?: string }).rawMessage ?? "the stream refused the records";
}
