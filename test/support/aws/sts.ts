/** The part of STS that assumes roles: a role trusts one external id, its last path part after `trusts-`. */
import type { ServerResponse } from "node:http";

const NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/";

/** Keys that were handed out begin so. */
export const ASSUMED_KEY = "ASIAASSUMED";

/** Answers one request. */
export function answerSts(response: ServerResponse, input: URLSearchParams, keyId: string): void {
  const action = input.get("Action") ?? "";
  const send = (status: number, xml: string) =>
    response.writeHead(status, { "content-type": "text/xml" }).end(xml);
  if (action === "GetCallerIdentity") {
    return void send(
      200,
      `<GetCallerIdentityResponse xmlns="${NAMESPACE}"><GetCallerIdentityResult>` +
        `<Arn>arn:aws:iam::111122223333:user/${keyId}</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`,
    );
  }
  const trusted = /trusts-(.+)$/.exec(input.get("RoleArn") ?? "")?.[1];
  if (trusted !== input.get("ExternalId")) {
    return void send(
      403,
      `<ErrorResponse xmlns="${NAMESPACE}"><Error><Type>Sender</Type><Code>AccessDenied</Code>` +
        `<Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>`,
    );
  }
  send(
    200,
    `<AssumeRoleResponse xmlns="${NAMESPACE}"><AssumeRoleResult><Credentials>` +
      `<AccessKeyId>${ASSUMED_KEY}</AccessKeyId><SecretAccessKey>assumed</SecretAccessKey>` +
      `<SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>` +
      `</Credentials></AssumeRoleResult></AssumeRoleResponse>`,
  );
}
