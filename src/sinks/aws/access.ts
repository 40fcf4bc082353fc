/** The part of a configuration that every service of AWS shares: rights, region, address. */
import { clone } from "@bufbuild/protobuf";
import { type AwsAccess, AwsAccessSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { FieldViolation } from "../../core/errors.ts";

const REGION = /^[a-z]{2,}(-[a-z]+)+-\d{1,2}$/;
const ROLE = /^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/;
const KEY_ID = /^\w{4,128}$/;

/** Faults of the access, by paths below the configuration; texts never repeat secrets. */
export function checkAccess(access: Omit<AwsAccess, "$typeName"> | undefined): FieldViolation[] {
  if (!access) return [{ field: "access", description: "is missing" }];
  const violations: FieldViolation[] = [];
  const add = (name: string, description: string) =>
    violations.push({ field: `access.${name}`, description });
  if (access.region === "") add("region", "is missing: name the region, such as eu-central-1");
  else if (!REGION.test(access.region)) add("region", "is no region, such as eu-central-1");
  const hasId = access.accessKeyId !== "";
  const hasSecret = access.secretAccessKey !== "";
  if (hasId && !KEY_ID.test(access.accessKeyId)) add("access_key_id", "is no access key id");
  if (hasId && !hasSecret) {
    add("secret_access_key", "is missing (a saved one is kept only for the same key and address)");
  }
  if (!hasId && hasSecret) add("access_key_id", "is missing: it belongs to the secret access key");
  if (!hasId && !hasSecret && access.roleArn === "") {
    add("access_key_id", "is missing: give an access key, or a role_arn to assume");
  }
  if (access.roleArn !== "" && !ROLE.test(access.roleArn)) {
    add("role_arn", "is no role, such as arn:aws:iam::123456789012:role/name");
  }
  const fault = access.endpoint === "" ? undefined : addressFault(access.endpoint);
  if (fault) add("endpoint", fault);
  return violations;
}

/** What is wrong with the address of a service, or undefined. */
export function addressFault(address: string): string | undefined {
  if (!URL.canParse(address)) return "is no address, such as https://sqs.example.com";
  const url = new URL(address);
  if (!/^https?:$/.test(url.protocol)) return "must begin with https:// or http://";
  if (url.username || url.password) return "must not hold a user or password";
  if (url.search || url.hash) return "must not hold a query or fragment";
  return undefined;
}

/** The access as it may be returned. */
export function maskAccess(access: AwsAccess | undefined): AwsAccess | undefined {
  if (!access) return undefined;
  const copy = clone(AwsAccessSchema, access);
  copy.secretAccessKey = "";
  return copy;
}

/**
 * The access with an empty secret filled from the saved one, as long as key and address are the same:
 * what is signed with a secret must not be asked for by another server.
 */
export function keepAccess(
  access: AwsAccess | undefined,
  saved: AwsAccess | undefined,
): AwsAccess | undefined {
  if (!access) return undefined;
  const copy = clone(AwsAccessSchema, access);
  const isSame = saved?.accessKeyId === access.accessKeyId && saved.endpoint === access.endpoint;
  if (copy.secretAccessKey === "" && isSame) copy.secretAccessKey = saved.secretAccessKey;
  return copy;
}
