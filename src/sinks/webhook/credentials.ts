/** Faults of how a webhook shows who it is; texts never repeat secrets. */
import { X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { WebhookSink } from "#gen/tributary/management/v1/sink_pb.js";
import type { FieldViolation } from "../../core/errors.ts";

const MISSING = "is missing (saved values are kept only for the same address)";

/** All of them, by paths below the webhook. */
export function checkCredentials(config: WebhookSink): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const add = (field: string, description: string) => violations.push({ field, description });
  const { bearer, clientCredentials: client } = config;
  const url = URL.canParse(config.url) ? new URL(config.url) : undefined;
  const hasUser = url !== undefined && (url.username !== "" || url.password !== "");
  const hasTwo = [hasUser, bearer, client].filter(Boolean).length > 1;
  if (hasTwo) {
    add(client ? "client_credentials" : "bearer", "is one way to authenticate too many: keep one");
  }
  if (bearer && !/^[\x21-\x7e]+$/.test(bearer.token)) {
    add("bearer.token", bearer.token === "" ? MISSING : "must be ASCII without spaces");
  }
  if (client) {
    const token = URL.canParse(client.tokenUrl) ? new URL(client.tokenUrl) : undefined;
    if (!token || !/^https?:$/.test(token.protocol) || token.username || token.password) {
      add("client_credentials.token_url", "must be an https address without user and password");
    }
    if (client.clientSecret === "") add("client_credentials.client_secret", MISSING);
  }
  violations.push(...checkCertificates(config, url));
  return violations;
}

function checkCertificates(config: WebhookSink, url: URL | undefined): FieldViolation[] {
  const { clientCertificate: cert, clientKey: key, certificateAuthority: ca } = config;
  if (cert === "" && key === "" && ca === "") return [];
  const field = cert === "" && key === "" ? "certificate_authority" : "client_certificate";
  if (url?.protocol === "http:") return [{ field, description: "needs an https url" }];
  if (key === "" && cert !== "") return [{ field: "client_key", description: MISSING }];
  if (cert === "" && key !== "") {
    return [
      { field: "client_certificate", description: "is missing: the key alone proves nothing" },
    ];
  }
  const faultOf = (work: () => void): boolean => {
    try {
      work();
      return false;
    } catch {
      return true;
    }
  };
  const violations: FieldViolation[] = [];
  if (ca !== "" && faultOf(() => new X509Certificate(ca))) {
    violations.push({ field: "certificate_authority", description: "is not a certificate in PEM" });
  }
  if (cert !== "" && faultOf(() => createSecureContext({ cert, key }))) {
    const description = "and client_key are not a certificate and its private key in PEM";
    violations.push({ field: "client_certificate", description });
  }
  return violations;
}
