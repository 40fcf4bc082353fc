/** Samples that speak the rpcs: the generated client, and buf with the schema that the server tells. */
import { shell } from "../../api/curl.ts";
import { MAIN } from "../../api/log-place.ts";
import { literal, type SampleFacts } from "./sample-facts.ts";

/** The generated client. Its text is JavaScript as well: it needs no types of its own. */
export function typescript(facts: SampleFacts): string {
  const { url, stream, branch, record, clientId } = facts;
  const ofBranch = branch === MAIN ? "" : `\n  branch: ${literal(branch)},`;
  const secret = (name: string) => (facts.secret ? literal(facts.secret) : `process.env.${name}`);
  const token =
    facts.credential === "personal"
      ? `const accessToken = ${secret("PERSONAL_TOKEN")};`
      : `const { accessToken } = await createClient(OAuth2Service, connect()).issueToken({
  grantType: "client_credentials",
  clientId: ${literal(clientId)},
  clientSecret: ${secret("CLIENT_SECRET")},
});`;
  const services = facts.credential === "personal" ? "PushService" : "OAuth2Service, PushService";
  return `// Save as push.ts where the package "tributary" is installed, and run: node push.ts
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ${services} } from "tributary/client";

const connect = (interceptors = []) =>
  createConnectTransport({ baseUrl: ${literal(url)}, httpVersion: "2", interceptors });
${token}
const withToken = (next) => (request) => {
  request.header.set("Authorization", "Bearer " + accessToken);
  return next(request);
};
const answer = await createClient(PushService, connect([withToken])).push({
  stream: ${literal(stream)},${ofBranch}
  records: [{ payload: { case: "json", value: new TextEncoder().encode(${literal(record)}) } }],
  idempotencyKey: crypto.randomUUID(),
});
console.log(\`{"accepted":"\${answer.accepted}","firstPlace":"\${answer.firstPlace}"}\`);
process.exit(0);
`;
}

/** gRPC from a shell. */
export function bufCurl(facts: SampleFacts): string {
  const { url, stream, branch, record, clientId } = facts;
  const ofBranch = branch === MAIN ? "" : `, "branch": ${literal(branch)}`;
  const plain = url.startsWith("http:") ? " --http2-prior-knowledge" : "";
  const buf = `buf curl --protocol grpc${plain}`;
  const secret = (name: string) => (facts.secret ? shell(facts.secret) : `"$${name}"`);
  const credentials = `{"grantType": "client_credentials", "clientId": ${literal(clientId)}, "clientSecret": "'"$CLIENT_SECRET"'"}`;
  const token =
    facts.credential === "personal"
      ? `ACCESS_TOKEN=${secret("PERSONAL_TOKEN")}`
      : `CLIENT_SECRET=${secret("CLIENT_SECRET")}
ACCESS_TOKEN=$(${buf} \\
  -d '${credentials}' \\
  ${shell(`${url}/tributary.oauth2.v1.OAuth2Service/IssueToken`)} |
  sed -n 's/.*"accessToken": *"\\([^"]*\\)".*/\\1/p')`;
  return `${token}
${buf} \\
  -H "Authorization: Bearer $ACCESS_TOKEN" \\
  -d ${shell(`{"stream": ${literal(stream)}${ofBranch}, "records": [{"value": ${record}}]}`)} \\
  ${shell(`${url}/tributary.push.v1.PushService/Push`)}
`;
}
