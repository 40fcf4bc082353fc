/** A secret as the last part of the address (K01). */
import type { SecretUrlAuthentication } from "#gen/tributary/management/v1/source_pb.js";
import { fail } from "../core/errors.ts";
import type { AuthenticationType } from "./source.ts";
import { findKey } from "./source-key.ts";

/** The kind `secret_url`. */
export const secretUrl: AuthenticationType<SecretUrlAuthentication> = {
  keeps: "hash",
  check: () => [],
  open: (_config, { keys }) => ({
    credentialHeaders: [],
    admit({ secret, nowMs }) {
      const keyUid = findKey(keys, secret ?? "", nowMs);
      if (!keyUid) throw sourceNotFound();
      return { keyUid };
    },
  }),
};

/** 404 in the one wording: nobody learns whether the address or its secret was wrong. */
export function sourceNotFound() {
  return fail("SOURCE_NOT_FOUND", "no source has this address: it is wrong, deleted or disabled");
}
