/** What an application may be, beyond what its proto says. */
import { createPublicKey } from "node:crypto";
import type { JsonObject } from "@bufbuild/protobuf";
import type { Application } from "#gen/tributary/management/v1/application_pb.js";
import { type FieldViolation, fail, failFields } from "../core/errors.ts";
import type { Principal } from "../core/principal.ts";
import { faultOfJwk } from "../core/public-jwk.ts";

/** Fails with INVALID_FIELDS for keys that cannot be used. */
export function checkApplication({ publicKeys, secretRefused }: Application): void {
  const violations = publicKeys.flatMap((jwk, index): FieldViolation[] => {
    const description = faultOfJwk(jwk) ?? faultOfPoint(jwk) ?? faultOfId(publicKeys, index);
    return description ? [{ field: `application.public_keys[${index}]`, description }] : [];
  });
  if (secretRefused && publicKeys.length === 0) {
    const description = "leaves the application no way in: add its public key to public_keys first";
    violations.push({ field: "application.secret_refused", description });
  }
  if (violations.length > 0) throw failFields(violations);
}

function faultOfPoint(jwk: JsonObject): string | undefined {
  try {
    createPublicKey({ key: jwk as never, format: "jwk" });
    return undefined;
  } catch {
    return "is not a valid JSON Web Key";
  }
}

function faultOfId(keys: readonly JsonObject[], index: number): string | undefined {
  const kid = keys[index]?.kid;
  const isTaken = kid !== undefined && keys.slice(0, index).some((jwk) => jwk.kid === kid);
  return isTaken ? "has the kid of another key" : undefined;
}

/**
 * Nobody makes an application or token that may do more than they may themselves. Fails with
 * OPERATION_MISSING that names the first operation the caller lacks.
 */
export function checkNotWider(
  caller: Principal | undefined,
  operations: readonly string[],
  had: readonly string[] = [],
): void {
  const allowed = caller?.operations;
  const wider = operations.find((each) => !had.includes(each) && allowed?.has(each) === false);
  if (wider === undefined) return;
  throw fail("OPERATION_MISSING", `you may not give ${wider}: your own token does not allow it`, {
    metadata: { operation: wider },
  });
}
