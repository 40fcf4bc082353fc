/** Programs that push a record, complete: pasted into a terminal they run as they stand. */
import { shell } from "../../api/curl.ts";
import { branchQuery } from "../../api/log-place.ts";
import { literal, type SampleFacts } from "./sample-facts.ts";
import { aivenConnector, confluentConnector } from "./samples-kafka.ts";
import { bufCurl, typescript } from "./samples-rpc.ts";

/** A language with its sample. */
export interface Sample {
  readonly id: string;
  readonly title: string;
  /** Whether it sends to a source of the stream instead of the API. */
  readonly isConnector?: true;
  readonly make: (facts: SampleFacts) => string;
}

/** The samples, in the order in which they are offered. */
export const SAMPLES: readonly Sample[] = [
  { id: "curl", title: "cURL", make: curl },
  { id: "python", title: "Python", make: python },
  { id: "javascript", title: "JavaScript", make: javascript },
  { id: "java", title: "Java", make: java },
  { id: "typescript", title: "TypeScript client", make: typescript },
  { id: "buf", title: "buf curl", make: bufCurl },
  { id: "aiven", title: "Kafka Connect (Aiven)", isConnector: true, make: aivenConnector },
  {
    ...{ id: "confluent", title: "Kafka Connect (Confluent)" },
    isConnector: true,
    make: confluentConnector,
  },
];

const PATH = ({ url, stream, branch }: SampleFacts) =>
  `${url}/v1/${stream}/records${branchQuery(branch)}`;
const body = ({ record }: SampleFacts) => `[{"value": ${record}}]`;

function curl(facts: SampleFacts): string {
  const { credential, clientId, url } = facts;
  const secret = facts.secret ? shell(facts.secret) : '"$CLIENT_SECRET"';
  const token =
    credential === "personal"
      ? `ACCESS_TOKEN=${facts.secret ? shell(facts.secret) : '"$PERSONAL_TOKEN"'}`
      : `CLIENT_SECRET=${secret}
ACCESS_TOKEN=$(curl -sf -u ${shell(clientId)}:"$CLIENT_SECRET" \\
  -d grant_type=client_credentials ${shell(`${url}/oauth2/token`)} |
  sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')`;
  return `${token}
curl -f ${shell(PATH(facts))} \\
  -H "Authorization: Bearer $ACCESS_TOKEN" \\
  -H 'Content-Type: application/json' \\
  -d ${shell(body(facts))}
`;
}

function python(facts: SampleFacts): string {
  const secret = (name: string) =>
    facts.secret ? literal(facts.secret) : `os.environ[${literal(name)}]`;
  const token =
    facts.credential === "personal"
      ? `access_token = ${secret("PERSONAL_TOKEN")}`
      : `credentials = ${literal(`${facts.clientId}:`)} + ${secret("CLIENT_SECRET")}
request = urllib.request.Request(
    ${literal(`${facts.url}/oauth2/token`)},
    data=b"grant_type=client_credentials",
    headers={"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()},
)
access_token = json.load(urllib.request.urlopen(request, timeout=10))["access_token"]`;
  return `import base64, json, os, urllib.request

${token}
request = urllib.request.Request(
    ${literal(PATH(facts))},
    data=${literal(body(facts))}.encode(),
    headers={"Authorization": "Bearer " + access_token, "Content-Type": "application/json"},
)
print(urllib.request.urlopen(request, timeout=10).read().decode())
`;
}

function javascript(facts: SampleFacts): string {
  const secret = (name: string) => (facts.secret ? literal(facts.secret) : `process.env.${name}`);
  const token =
    facts.credential === "personal"
      ? `const accessToken = ${secret("PERSONAL_TOKEN")};`
      : `const credentials = btoa(${literal(`${facts.clientId}:`)} + ${secret("CLIENT_SECRET")});
const answer = await fetch(${literal(`${facts.url}/oauth2/token`)}, {
  method: "POST",
  headers: { authorization: "Basic " + credentials },
  body: new URLSearchParams({ grant_type: "client_credentials" }),
});
if (!answer.ok) throw new Error(await answer.text());
const accessToken = (await answer.json()).access_token;`;
  return `// Save as push.mjs and run: node push.mjs
${token}
const pushed = await fetch(${literal(PATH(facts))}, {
  method: "POST",
  headers: { authorization: "Bearer " + accessToken, "content-type": "application/json" },
  body: JSON.stringify(${body(facts)}),
});
console.log(pushed.status, await pushed.text());
`;
}

function java(facts: SampleFacts): string {
  const secret = (name: string) =>
    facts.secret ? literal(facts.secret) : `System.getenv(${literal(name)})`;
  const token =
    facts.credential === "personal"
      ? `var accessToken = ${secret("PERSONAL_TOKEN")};`
      : `var credentials = ${literal(`${facts.clientId}:`)} + ${secret("CLIENT_SECRET")};
    var basic = Base64.getEncoder().encodeToString(credentials.getBytes());
    var token = client.send(HttpRequest.newBuilder(URI.create(${literal(`${facts.url}/oauth2/token`)}))
        .header("Authorization", "Basic " + basic)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .POST(HttpRequest.BodyPublishers.ofString("grant_type=client_credentials"))
        .build(), HttpResponse.BodyHandlers.ofString()).body();
    var accessToken = token.replaceAll("(?s).*\\"access_token\\"\\\\s*:\\\\s*\\"([^\\"]+)\\".*", "$1");`;
  return `// Save as Push.java and run: java Push.java
import java.net.URI;
import java.net.http.*;
import java.util.Base64;

class Push {
  public static void main(String[] args) throws Exception {
    var client = HttpClient.newHttpClient();
    ${token}
    var answer = client.send(HttpRequest.newBuilder(URI.create(${literal(PATH(facts))}))
        .header("Authorization", "Bearer " + accessToken)
        .header("Content-Type", "application/json")
        .POST(HttpRequest.BodyPublishers.ofString(${literal(body(facts))}))
        .build(), HttpResponse.BodyHandlers.ofString());
    System.out.println(answer.statusCode() + " " + answer.body());
  }
}
`;
}
