import { SinkFault } from "../sink-fault.ts";
import type { AwsClientOptions, AwsCredentials } from "./connection.ts";
import { toAwsFault } from "./fault.ts";

const ASSUME_MS = 10_000;

/** The role, and the log whose sinks assume it. */
export interface AssumedRole {
  readonly roleArn: string;
  readonly logUid: string;
}

/**
 * The external id that goes with every role of a log's sinks. Nobody can choose it, so nobody can have
 * us assume a role that trusts us for another's log (the confused deputy).
 */
export function externalIdOf(logUid: string): string {
  return `tributary-${logUid}`;
}

/** Credentials of a role for an hour; the client asks again before they end. Throws SinkFault. */
export async function assumeRole(
  options: AwsClientOptions,
  { roleArn, logUid }: AssumedRole,
): Promise<AwsCredentials> {
  const { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } = await import(
    "@aws-sdk/client-sts"
  );
  const client = new STSClient(options);
  const externalId = externalIdOf(logUid);
  const sending = { abortSignal: AbortSignal.timeout(ASSUME_MS) };
  const command = new AssumeRoleCommand({
    RoleArn: roleArn,
    RoleSessionName: `tributary-${logUid}`.slice(0, 64),
    ExternalId: externalId,
  });
  try {
    const { Credentials: found } = await client.send(command, sending);
    if (!found?.AccessKeyId || !found.SecretAccessKey) {
      throw new SinkFault("AWS_ERROR", "the role was assumed without credentials");
    }
    return {
      accessKeyId: found.AccessKeyId,
      secretAccessKey: found.SecretAccessKey,
      ...(found.SessionToken && { sessionToken: found.SessionToken }),
      ...(found.Expiration && { expiration: found.Expiration }),
    };
  } catch (error) {
    const fault = toAwsFault(error, { what: "assuming the role" });
    if (fault.reason !== "ACCESS_DENIED") throw fault;
    const caller = await client
      .send(new GetCallerIdentityCommand({}), sending)
      .then((identity) => identity.Arn)
      .catch(() => undefined);
    throw new SinkFault(
      "ACCESS_DENIED",
      `${fault.message}; the role must trust us for the external id ${externalId}`,
      { cause: error, remedy: trustPolicy(caller ?? "*", externalId) },
    );
  }
}

function trustPolicy(principal: string, externalId: string): string {
  const statement = {
    Effect: "Allow",
    Principal: { AWS: principal },
    Action: "sts:AssumeRole",
    Condition: { StringEquals: { "sts:ExternalId": externalId } },
  };
  return JSON.stringify({ Version: "2012-10-17", Statement: [statement] }, null, 2);
}
