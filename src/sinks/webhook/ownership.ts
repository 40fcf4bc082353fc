/** Whether the host of a webhook belongs to who saves it: a TXT record says so, or an answer to GET. */
import type { WebhookSink } from "#gen/tributary/management/v1/sink_pb.js";
import { createEgressGuard, type EgressPolicy, isPublicAddress } from "../egress.ts";
import { createGuardedFetch } from "../guarded-fetch.ts";
import { createNameServers } from "../name-server.ts";
import { SinkFault } from "../sink-fault.ts";
import { type Endpoint, parseEndpoint, redact } from "./endpoint.ts";

/** What is looked for. */
export interface OwnershipClaim {
  readonly key: string;
  /** Keys that prove nothing any more, to be told apart from anything else. */
  readonly olderKeys: readonly string[];
  /** What stands before the host in the name of the TXT record. */
  readonly hostPrefix: string;
  /** What stands before the key in its value. */
  readonly valuePrefix: string;
}

/** What one way has found. */
export interface OwnershipFinding {
  readonly isOk: boolean;
  /** What was seen, in words for the owner. */
  readonly message: string;
}

/** What both ways have found. */
export interface OwnershipProof {
  readonly dns: OwnershipFinding;
  readonly http: OwnershipFinding;
}

const SEEN_CHARS = 80;

/** Whether the host has a public address, or none that is known. */
export async function isPublicHost(config: WebhookSink, policy: EgressPolicy): Promise<boolean> {
  const endpoint = parseEndpoint(config);
  if (typeof endpoint === "string") return true;
  try {
    const addresses = await createEgressGuard(policy).resolve(endpoint.url.hostname);
    return addresses.some(({ address }) => isPublicAddress(address));
  } catch {
    return true;
  }
}

/** Looks both ways, side by side; takes 15 s at most and never throws. */
export async function findOwnership(
  config: WebhookSink,
  claim: OwnershipClaim,
  { policy, signal }: { readonly policy: EgressPolicy; readonly signal: AbortSignal },
): Promise<OwnershipProof> {
  const endpoint = parseEndpoint(config);
  if (typeof endpoint === "string") {
    const finding = { isOk: false, message: `url ${endpoint}` };
    return { dns: finding, http: finding };
  }
  const [dns, http] = await Promise.all([
    finding(findText(endpoint, claim, policy)),
    finding(findAnswer(endpoint, claim, { policy, signal })),
  ]);
  return { dns, http };
}

/** A promise of what was seen; a fault is what was seen as well. */
async function finding(seen: Promise<string>): Promise<OwnershipFinding> {
  try {
    return { isOk: true, message: await seen };
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (error instanceof SinkFault) return { isOk: false, message: error.message };
    const late = error instanceof Error && /Abort|Timeout/.test(error.name);
    const what = late ? "no answer in time" : `the connection failed: ${String(code ?? "unknown")}`;
    return { isOk: false, message: what };
  }
}

async function findText(
  { url }: Endpoint,
  claim: OwnershipClaim,
  policy: EgressPolicy,
): Promise<string> {
  const host = url.hostname.replace(/\.$/, "");
  if (/^\[|^[\d.]+$/.test(host)) throw unproven(`${host} is no name, so it has no TXT record`);
  const name = `${claim.hostPrefix}.${host}`;
  const texts = await createNameServers(policy.dnsServers).texts(name);
  if (texts.includes(claim.valuePrefix + claim.key)) return `${name} has the TXT record`;
  const isOlder = texts.some((text) =>
    claim.olderKeys.some((key) => text === claim.valuePrefix + key),
  );
  if (isOlder) throw unproven(`the TXT record of ${name} has an older verification key`);
  const seen = texts.slice(0, 3).map(quote).join(", ");
  throw unproven(
    `${name} has no TXT record ${claim.valuePrefix}<verification key>; it has ${seen || "none"}`,
  );
}

async function findAnswer(
  { url, authorization, secrets }: Endpoint,
  claim: OwnershipClaim,
  { policy, signal }: { readonly policy: EgressPolicy; readonly signal: AbortSignal },
): Promise<string> {
  const ask = createGuardedFetch(createEgressGuard(policy));
  const answer = await ask(url.href, {
    method: "GET",
    headers: { accept: "text/plain", ...(authorization && { authorization }) },
    signal,
  });
  const { status } = answer;
  if (status >= 300 && status < 400) {
    throw unproven(`GET was answered with a redirect (${status}), which is not followed`);
  }
  const body = redact(await answer.text(), secrets);
  if (status !== 200) throw unproven(`GET was answered with ${status} and ${quote(body)}`);
  const type = (answer.headers.get("content-type") ?? "text/plain").split(";")[0]!.trim();
  if (body !== claim.key) throw unproven(describeWrong(body, claim));
  if (type.toLowerCase() === "text/plain") return "GET is answered with the verification key";
  throw unproven(`GET was answered with the key as ${quote(type)} instead of text/plain`);
}

function describeWrong(body: string, { key, olderKeys }: OwnershipClaim): string {
  if (olderKeys.includes(body)) return "GET was answered with an older verification key";
  if (body === "") return "GET was answered with nothing";
  if (body.trim() === key) return "GET was answered with white space around the key";
  if (/^\s*</.test(body)) return `GET was answered with markup: ${quote(body)}`;
  return `GET was answered with ${quote(body)} instead of the verification key alone`;
}

/** The beginning of a text, as JSON: control characters are seen. */
function quote(text: string): string {
  const isLong = text.length > SEEN_CHARS;
  return JSON.stringify(isLong ? `${text.slice(0, SEEN_CHARS)}…` : text);
}

function unproven(message: string): SinkFault {
  return new SinkFault("OWNERSHIP_UNPROVEN", message);
}
