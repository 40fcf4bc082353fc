import type { ConnectError } from "@connectrpc/connect";
import { BadRequestSchema } from "#gen/google/rpc/error_details_pb.js";
import { reasonOf } from "../../src/core/errors.ts";

/** What a call that must fail failed with: its reason, its text, and the fields it names. */
export async function failureOf(
  call: Promise<unknown>,
): Promise<{ reason: string | undefined; message: string; fields: string[] }> {
  const error = await call.then(
    () => {
      throw new Error("the call succeeded");
    },
    (caught: ConnectError) => caught,
  );
  if (!("findDetails" in error)) throw error;
  const fields = error
    .findDetails(BadRequestSchema)
    .flatMap((detail) => detail.fieldViolations.map((violation) => violation.field));
  return { reason: reasonOf(error), message: error.rawMessage, fields };
}
