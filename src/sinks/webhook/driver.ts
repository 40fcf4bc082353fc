import { clone } from "@bufbuild/protobuf";
import { type WebhookSink, WebhookSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkDriver } from "../sink.ts";
import { checkWebhook } from "./check.ts";
import { maskUrl } from "./endpoint.ts";
import { openWebhook } from "./open-sink.ts";
import { testWebhook } from "./probe.ts";

/** Requests with a JSON array of records, or one record; at least once, with stable ids and signatures. */
export const webhookDriver: SinkDriver<"webhook"> = {
  defaults: { count: 100, bytes: 1024 * 1024, timeMs: 0 },
  countMax: 1000,
  countMaxOf: (config) => (config.singleObject ? 1 : 1000),
  keepsCursor: false,
  concurrency: 4,
  check: checkWebhook,
  open: openWebhook,
  test: testWebhook,
  mask(config) {
    const copy = clone(WebhookSinkSchema, config);
    copy.url = maskUrl(config.url);
    copy.signingSecret = "";
    copy.previousSigningSecret = "";
    if (copy.bearer) copy.bearer.token = "";
    if (copy.clientCredentials) copy.clientCredentials.clientSecret = "";
    copy.clientKey = "";
    for (const name of Object.keys(copy.headers)) copy.headers[name] = "";
    return copy;
  },
  keepSecrets,
};

/**
 * Empty secrets are filled from the saved configuration, but those that are sent only for the same
 * origin: credentials must not travel to another server. The signing secret is never sent, so it stays.
 */
function keepSecrets(config: WebhookSink, saved: WebhookSink): WebhookSink {
  const copy = clone(WebhookSinkSchema, config);
  if (copy.signingSecret === "") copy.signingSecret = saved.signingSecret;
  copy.previousSigningSecret = saved.previousSigningSecret;
  if (saved.previousSecretEndTime) copy.previousSecretEndTime = saved.previousSecretEndTime;
  if (!URL.canParse(config.url) || !URL.canParse(saved.url)) return copy;
  const [url, old] = [new URL(config.url), new URL(saved.url)];
  if (url.origin !== old.origin) return copy;
  if (url.password === "" && (url.username === "" || url.username === old.username)) {
    url.username = old.username;
    url.password = old.password;
    copy.url = url.href;
  }
  for (const [name, value] of Object.entries(copy.headers)) {
    if (value === "") copy.headers[name] = saved.headers[name] ?? "";
  }
  keepCredentials(copy, saved);
  return copy;
}

/** A client secret goes to the token endpoint too, and a key belongs to its certificate. */
function keepCredentials(copy: WebhookSink, saved: WebhookSink): void {
  if (copy.bearer && saved.bearer) copy.bearer.token ||= saved.bearer.token;
  const [client, old] = [copy.clientCredentials, saved.clientCredentials];
  if (client && old && client.tokenUrl === old.tokenUrl && client.clientId === old.clientId) {
    client.clientSecret ||= old.clientSecret;
  }
  if (copy.clientCertificate === saved.clientCertificate) copy.clientKey ||= saved.clientKey;
}
