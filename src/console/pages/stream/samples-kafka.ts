/** Configurations of HTTP sink connectors, which send to a source of the stream. */
import type { SampleFacts } from "./sample-facts.ts";

/** How a worker reads a secret that the page no longer knows. */
const SECRET_FILE = `\${file:/etc/kafka/tributary.properties:secret}`;

/** Aiven's connector: records joined by newlines, a token by client credentials or a fixed one. */
export function aivenConnector(facts: SampleFacts): string {
  const secret = facts.secret || SECRET_FILE;
  return lines({
    "connector.class": "io.aiven.kafka.connect.http.HttpSinkConnector",
    "http.url": facts.sourceUrl,
    "http.headers.content.type": "application/json",
    ...(facts.credential === "personal"
      ? {
          "http.authorization.type": "static",
          "http.headers.authorization": `Bearer ${secret}`,
        }
      : {
          "http.authorization.type": "oauth2",
          "oauth2.access.token.url": `${facts.url}/oauth2/token`,
          "oauth2.client.id": facts.clientId,
          "oauth2.client.secret": secret,
        }),
    "batching.enabled": "true",
    "batch.max.size": "500",
  });
}

/** Confluent's connector: records as a JSON array. */
export function confluentConnector(facts: SampleFacts): string {
  const secret = facts.secret || SECRET_FILE;
  return lines({
    "connector.class": "io.confluent.connect.http.HttpSinkConnector",
    "http.api.url": facts.sourceUrl,
    "request.method": "POST",
    "request.body.format": "json",
    "batch.json.as.array": "true",
    "batch.max.size": "500",
    ...(facts.credential === "personal"
      ? {
          "auth.type": "NONE",
          headers: `Content-Type:application/json|Authorization:Bearer ${secret}`,
          "header.separator": "|",
        }
      : {
          "auth.type": "OAUTH2",
          headers: "Content-Type:application/json",
          "oauth2.token.url": `${facts.url}/oauth2/token`,
          "oauth2.client.id": facts.clientId,
          "oauth2.client.secret": secret,
          "oauth2.client.auth.mode": "header",
        }),
    "behavior.on.error": "fail",
  });
}

function lines(settings: Readonly<{ [name: string]: string }>): string {
  const common = {
    name: "tributary",
    "tasks.max": "1",
    topics: "the-topic",
    "key.converter": "org.apache.kafka.connect.storage.StringConverter",
    "value.converter": "org.apache.kafka.connect.storage.StringConverter",
  };
  return Object.entries({ ...common, ...settings })
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}
