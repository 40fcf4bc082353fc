/** What every client of AWS is made with: region, address, credentials, and our way to the network. */
import type { AwsAccess } from "#gen/tributary/management/v1/sink_pb.js";
import type { AwsKeys, SinkEnvironment } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import { assumeRole } from "./assume-role.ts";
import type { AnswerOptions, AwsRequestHandler } from "./request-handler.ts";

/** Credentials as clients take them. */
export interface AwsCredentials extends AwsKeys {
  readonly sessionToken?: string;
  readonly expiration?: Date;
}

/** Options of a client: each attempt is ours to repeat, and nothing is read from the process. */
export interface AwsClientOptions {
  readonly region: string;
  readonly credentials: AwsKeys | (() => Promise<AwsCredentials>);
  readonly requestHandler: AwsRequestHandler;
  readonly maxAttempts: 1;
  readonly useFipsEndpoint: false;
  readonly useDualstackEndpoint: false;
  readonly ignoreConfiguredEndpointUrls: true;
  readonly endpoint?: string;
}

/** An open way to AWS for one sink. */
export interface AwsConnection {
  readonly options: AwsClientOptions;
  close(): void;
}

/** Opens it; nothing is connected yet. Rejects with SinkFault AUTHENTICATION_FAILED when there are no keys. */
export async function openConnection(
  access: AwsAccess,
  env: SinkEnvironment,
  answers: AnswerOptions = {},
): Promise<AwsConnection> {
  const keys = keysOf(access, env);
  // Nothing of AWS is loaded before a sink needs it.
  const { createRequestHandler } = await import("./request-handler.ts");
  const requestHandler = createRequestHandler(env, answers);
  const shared = {
    region: access.region,
    requestHandler,
    maxAttempts: 1,
    useFipsEndpoint: false,
    useDualstackEndpoint: false,
    ignoreConfiguredEndpointUrls: true,
    ...(access.endpoint !== "" && { endpoint: access.endpoint }),
  } as const;
  const plain: AwsClientOptions = { ...shared, credentials: keys };
  const { roleArn } = access;
  const options: AwsClientOptions =
    roleArn === ""
      ? plain
      : { ...shared, credentials: () => assumeRole(plain, { roleArn, logUid: env.logUid }) };
  return { options, close: () => requestHandler.destroy() };
}

function keysOf({ accessKeyId, secretAccessKey }: AwsAccess, env: SinkEnvironment): AwsKeys {
  if (accessKeyId !== "") return { accessKeyId, secretAccessKey };
  if (env.awsIdentity) return env.awsIdentity;
  throw new SinkFault(
    "AUTHENTICATION_FAILED",
    "this server has no identity at AWS that could assume the role: give an access key as well, or ask " +
      "its operator to set TRIBUTARY_AWS_ACCESS_KEY_ID and TRIBUTARY_AWS_SECRET_ACCESS_KEY",
  );
}
