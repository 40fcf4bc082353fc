import { createHash } from "node:crypto";
import { clone } from "@bufbuild/protobuf";
import { type TributarySink, TributarySinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { type FieldViolation, reasonOf } from "../../core/errors.ts";
import { ID_PATTERN, parseName } from "../../core/names.ts";
import { isCertificate } from "../certificate.ts";
import type {
  OpenSink,
  RequestOutcome,
  SinkDriver,
  SinkEnvironment,
  SinkRequest,
  TestStageResult,
} from "../sink.ts";
import { retrySink, SinkFault } from "../sink-fault.ts";
import { runStages } from "../stages.ts";
import { openRemote, parseUrl, type RemoteStream } from "./client.ts";
import { outcomeOfRefusal, toRemoteFault } from "./fault.ts";

/** A stream of another Tributary; at least once, repeats within its window of idempotency store nothing. */
export const tributaryDriver: SinkDriver<"tributary"> = {
  defaults: { count: 1000, bytes: 1024 * 1024, timeMs: 0 },
  countMax: 10_000,
  keepsCursor: false,
  // Keys of the other stream may differ, so only requests one after the other keep their order.
  concurrency: 1,
  check,
  open: async (config, env) => openTributary(config, env),
  test: testTributary,
  mask(config) {
    return Object.assign(clone(TributarySinkSchema, config), { clientSecret: "" });
  },
  keepSecrets(config, saved) {
    const copy = clone(TributarySinkSchema, config);
    if (config.url === saved.url && config.clientId === saved.clientId) {
      copy.clientSecret ||= saved.clientSecret;
    }
    return copy;
  },
};

function check(config: TributarySink): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const add = (field: string, description: string) => violations.push({ field, description });
  const url = parseUrl(config.url);
  if (typeof url === "string") add("url", url);
  if (!parseName(config.stream, "stream")) add("stream", "is not projects/{p}/streams/{s}");
  if (config.branch !== "" && !ID_PATTERN.test(config.branch)) {
    add("branch", "is not an id such as main");
  }
  if (config.clientId === "") add("client_id", "is missing: name an application of that server");
  if (config.clientSecret === "") {
    add("client_secret", "is missing (a saved one is kept only for the same url and client)");
  }
  const { certificateAuthority: ca } = config;
  if (ca !== "" && !isCertificate(ca)) {
    add("certificate_authority", "is not a certificate in PEM");
  }
  return violations;
}

function openTributary(config: TributarySink, env: SinkEnvironment): OpenSink {
  const remote = openRemote(config, env);
  return {
    async write(request, signal): Promise<RequestOutcome> {
      if (signal.aborted)
        return retrySink("TIMEOUT", "nothing was pushed in the time of one attempt");
      const { rows } = request;
      try {
        await remote.push({ ...targetOf(config), ...recordsOf(request, env) }, signal);
        return { kind: "rows", outcomes: rows.map(() => ({ kind: "delivered" })) };
      } catch (error) {
        if (signal.aborted) {
          return retrySink("TIMEOUT", "the push did not finish in the time of one attempt");
        }
        return outcomeOfRefusal(error, rows.length);
      }
    },
    close: async () => remote.close(),
  };
}

function targetOf({ stream, branch }: TributarySink) {
  return { stream, branch };
}

/** The records, and the key by which the other side knows a repeat of exactly these. */
function recordsOf({ id, rows }: SinkRequest, { sinkUid }: SinkEnvironment) {
  const hash = createHash("sha256");
  for (const { recordId } of rows) hash.update(recordId);
  return {
    idempotencyKey: `${sinkUid}.${id}.${hash.digest("base64url").slice(0, 16)}`,
    records: rows.map(({ json, producerId, recordId }) => ({
      payload: { case: "json" as const, value: json },
      id: producerId || recordId,
    })),
  };
}

/** Tries a stream: the address, the application's token, and its right to push. Stores nothing. */
async function testTributary(
  config: TributarySink,
  env: SinkEnvironment,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly TestStageResult[]> {
  let remote: RemoteStream | undefined;
  try {
    return await runStages({
      authenticate: async () => {
        remote = openRemote(config, env);
        await remote.authenticate(signal);
        return config.url.startsWith("https:")
          ? "the other server gives a token"
          : "the other server gives a token; http is not encrypted, use https";
      },
      write: async () => {
        // A call with a record that is no JSON is refused whole, once the right to push was checked.
        const records = [{ payload: { case: "json" as const, value: Buffer.from("{") } }];
        try {
          await remote!.push({ ...targetOf(config), records }, signal);
        } catch (error) {
          if (reasonOf(error) === "INVALID_JSON")
            return "the stream takes records; none was pushed";
          throw toRemoteFault(error);
        }
        throw new SinkFault(
          "REFUSED",
          "the other server takes what is no JSON: it is no Tributary",
        );
      },
    });
  } finally {
    remote?.close();
  }
}
